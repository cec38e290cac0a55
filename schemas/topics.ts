/** The names of the topics (contract.md, "Topics"). Partitions and retention are in topology/topics.ts and audit-topic.ts. */
export const topicNames = {
  signals: 'presence.signals',
  state: 'presence.state',
  diffs: 'presence.diffs',
  interest: 'presence.interest',
  routes: 'presence.routes',
  deliveries: 'presence.deliveries',
  deadLetters: 'presence.dlq',
  audit: 'presence.audit',
} as const;

/** The subjects under which the values' schemas are registered. */
export const subjects = {
  Signal: 'presence.signals-value',
  UserState: 'presence.state-value',
  PartitionState: 'presence.state-partition-value',
  Diff: 'presence.diffs-value',
  Interest: 'presence.interest-value',
  Delivery: 'presence.deliveries-value',
  Route: 'presence.routes-value',
  RoutedDelivery: 'presence.deliveries-routed-value',
  Audit: 'presence.audit-value',
} as const;

/** The key of a partition's own record in presence.state: `#` cannot stand in a user's key. */
export const partitionKey = (partition: number): string => `#${partition}`;

/** The key of a routed delivery: readers of control records, whose key is the gateway's id, pass by it without decoding. */
export const routedKey = (gatewayId: string): string => `${gatewayId}#routed`;
