export interface Scenario {
  /** The paragraph of contract.md, or of ARCHITECTURE.md where the contract leaves it to us. */
  readonly rule: string;
  /** A sentence about behaviour. */
  readonly title: string;
  readonly table: string;
}

export const group = (rule: string, tables: Readonly<Record<string, string>>): readonly Scenario[] =>
  Object.entries(tables).map(([title, table]) => ({ rule, title, table }));
