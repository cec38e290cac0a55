/**
 * Where schemas get their ids. Two implementations: the Confluent API (through @kafkajs/confluent-schema-registry) and
 * an embedded one.
 */
export interface SchemaRegistry {
  /** Registers (or finds) this schema under the subject, with BACKWARD compatibility; its id. SCHEMA_REFUSED if incompatible. */
  register(subject: string, schema: object): Promise<number>;
  /** The schema with this id; UNDECODABLE if there is none. */
  schema(id: number): Promise<object>;
  ping(): Promise<void>;
}
