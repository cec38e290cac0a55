/** How pages make what they show, and how they write numbers. */

/** An element; text is always text. Attributes that are null or false are left out. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function svg(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Sets a text only where it changes: what is selected stays so, and nothing is drawn for nothing. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const UNKNOWN = '–';

/** 0.4, 12, 812, 1.2k, 34k, 1.2M. */
export function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return UNKNOWN;
  for (const [size, unit] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ])
    if (Math.abs(value) >= size) return `${(value / size).toFixed(Math.abs(value) < 10 * size ? 1 : 0)}${unit}`;
  return Number.isInteger(value) || Math.abs(value) >= 10 ? String(Math.round(value)) : value.toFixed(1);
}

/** 812B, 1.2MB. */
export const bytes = (value) => (value === null || value === undefined ? UNKNOWN : `${short(value)}B`);

export const perSecond = (value) => (value === null ? UNKNOWN : `${short(value)}/s`);

export function duration(ms) {
  if (ms === null || ms === undefined) return UNKNOWN;
  if (ms < 1_000) return `${ms < 10 && !Number.isInteger(ms) ? ms.toFixed(1) : Math.round(ms)} ms`;
  const s = ms / 1_000;
  if (s < 120) return `${Number.isInteger(s) || s >= 10 ? Math.round(s) : s.toFixed(1)} s`;
  if (s < 7_200) return `${Math.round(s / 60)} min`;
  return s < 172_800 ? `${Math.round(s / 3_600)} h` : `${Math.round(s / 86_400)} days`;
}

/** A line of what was, now at the right: `[seconds ago, value]`. It is as wide as where it stands. */
export class Spark {
  constructor(label) {
    this.area = svg('polygon', {});
    this.line = svg('polyline', {});
    this.element = svg(
      'svg',
      { class: 'spark', viewBox: '0 0 120 22', preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
      this.area,
      this.line,
    );
  }
  show(values) {
    const top = Math.max(1, ...values.map(([, value]) => value));
    const points = values.map(([ago, value]) => `${(120 - ago).toFixed(1)},${(21 - (value / top) * 19).toFixed(1)}`);
    this.line.setAttribute('points', points.join(' '));
    const first = values[0]?.[0] ?? 0;
    this.area.setAttribute('points', values.length === 0 ? '' : `${120 - first},22 ${points.join(' ')} 120,22`);
  }
}
