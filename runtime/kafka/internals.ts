/**
 * The doors into kafkajs 2.2.4 that its types do not show. Everything that depends on its inside is here:
 * with another version (package.json pins it), this file is what to read again.
 *
 * Of kafkajs we use what it does well: connections, TLS and SASL, metadata, the coordinators' requests. Not its
 * producer and consumer: see writer.ts and fetcher.ts for what those lose, block or spin on.
 */
import { createRequire } from 'node:module';
import type { ConnectionOptions } from 'node:tls';
import type { ISocketFactory, logCreator, RetryOptions, SASLOptions } from 'kafkajs';
import { ByteWriter } from './bytes.ts';

const load = createRequire(import.meta.url);

/** One request and how its answer is read. kafkajs adds the header, sends it, and matches the answer. */
export interface WireRequest<T> {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    encode(): Promise<unknown>;
  };
  readonly response: { decode(payload: Buffer): Promise<T>; parse(data: T): Promise<T> };
  readonly logResponseError?: boolean;
  /** ms; default: as the cluster was made with. */
  readonly requestTimeout?: number;
}

interface PartitionResult {
  readonly partition: number;
  readonly errorCode: number;
  readonly offset: string;
}
interface TopicResult {
  readonly topic: string;
  readonly partitions: readonly PartitionResult[];
}
interface TopicOffset {
  readonly topic: string;
  readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
}
interface TransactionState {
  readonly transactionalId: string;
  readonly producerId: string;
  readonly producerEpoch: number;
}

export interface Broker {
  readonly nodeId: number;
  readonly connectionPool: { send<T>(request: WireRequest<T>): Promise<T> };
  disconnect(): Promise<void>;
  heartbeat(request: { groupId: string; groupGenerationId: number; memberId: string }): Promise<unknown>;
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>;
  offsetFetch(request: {
    groupId: string;
    topics: readonly { readonly topic: string; readonly partitions: readonly { readonly partition: number }[] }[];
  }): Promise<{ readonly responses: readonly TopicResult[] }>;
  offsetCommit(request: {
    groupId: string;
    groupGenerationId: number;
    memberId: string;
    topics: readonly TopicOffset[];
  }): Promise<unknown>;
  /** `timestamp`: -1 the end (with `isolationLevel` 1 the stable one), -2 the start, else the first record since (-1 if none). */
  listOffsets(request: {
    isolationLevel: 0 | 1;
    topics: readonly {
      readonly topic: string;
      readonly partitions: readonly { readonly partition: number; readonly timestamp: number }[];
    }[];
  }): Promise<{ readonly responses: readonly TopicResult[] }>;
  addPartitionsToTxn(
    request: TransactionState & { topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[] },
  ): Promise<unknown>;
  addOffsetsToTxn(request: TransactionState & { groupId: string }): Promise<unknown>;
  txnOffsetCommit(request: TransactionState & { groupId: string; topics: readonly TopicOffset[] }): Promise<unknown>;
  endTxn(request: TransactionState & { transactionResult: boolean }): Promise<unknown>;
}

/** A socket, and what has come of an answer that is not complete. */
interface SocketConnection {
  isConnected(): boolean;
  connect(): Promise<unknown>;
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  /** The last one; not there before the first connect. */
  readonly socket?: { destroy(): void };
}

interface TopicMetadata {
  readonly topic: string;
  readonly topicErrorCode: number;
  readonly partitionMetadata: readonly { readonly partitionId: number; readonly leader: number }[];
}

interface CreatedBroker extends Broker {
  readonly connectionPool: Broker['connectionPool'] & { readonly pool: readonly SocketConnection[] };
  metadata(topics: readonly string[]): Promise<unknown>;
}

export interface Cluster {
  /** Whose metadata a refresh asks for. */
  readonly targetTopics: Set<string>;
  readonly brokerPool: {
    metadata: { readonly topicMetadata: readonly TopicMetadata[] } | null;
    createBroker(options: unknown): CreatedBroker;
  };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  refreshMetadata(): Promise<void>;
  findBroker(options: { nodeId: number }): Promise<Broker>;
  findControllerBroker(): Promise<Broker>;
  /** `coordinatorType`: 0 a group's, 1 a transactional id's. */
  findGroupCoordinator(options: { groupId: string; coordinatorType: 0 | 1 }): Promise<Broker>;
}

export interface ClusterOptions {
  readonly logger: unknown;
  readonly socketFactory: ISocketFactory;
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly ssl?: boolean | ConnectionOptions | undefined;
  readonly sasl?: SASLOptions | undefined;
  readonly connectionTimeout: number;
  readonly requestTimeout: number;
  readonly enforceRequestTimeout: boolean;
  readonly metadataMaxAge: number;
  readonly allowAutoTopicCreation: boolean;
  readonly isolationLevel: 0 | 1;
  readonly retry: RetryOptions;
}

export function newCluster(options: ClusterOptions): Cluster {
  const cluster = new (load('kafkajs/src/cluster/index.js'))(options) as Cluster;
  const create = cluster.brokerPool.createBroker;
  cluster.brokerPool.createBroker = (given) => {
    const broker = create(given);
    broker.metadata = (topics) => broker.connectionPool.send(metadataOf(topics));
    for (const connection of broker.connectionPool.pool) startClean(connection);
    return broker;
  };
  return cluster;
}

const LENGTH_BYTES = 4;

/**
 * When a connection breaks in the middle of an answer, kafkajs keeps the half that came, and takes it for the beginning of the
 * next connection's first answer: from then on nothing that comes is understood, for as long as the process lives. And two
 * who connect at once get two sockets, whose bytes go into one stream. So each connection begins with nothing, and once.
 */
function startClean(connection: SocketConnection): void {
  const connect = connection.connect.bind(connection);
  let connecting: Promise<unknown> | null = null;
  connection.connect = () => {
    if (connection.isConnected()) return Promise.resolve(true);
    if (connecting === null) {
      // What the last socket may still bring is nobody's.
      connection.socket?.destroy();
      connection.chunks = [];
      connection.bytesBuffered = 0;
      connection.bytesNeeded = LENGTH_BYTES;
      connecting = connect().finally(() => {
        connecting = null;
      });
    }
    return connecting;
  };
}

/**
 * kafkajs refuses a whole answer if one topic of it is not there or has no leader, and with no topics asks for all
 * there are. Here every topic's answer stands for itself.
 */
function metadataOf(topics: readonly string[]): WireRequest<unknown> {
  const writer = new ByteWriter();
  writer.array(topics, (topic) => writer.string(topic)).int8(0);
  return {
    request: { apiKey: 3, apiVersion: 5, apiName: 'Metadata', encode: async () => encoded(writer.view()) },
    response: { decode: load('kafkajs/src/protocol/requests/metadata/v5/response.js').decode, parse: async (data) => data },
  };
}

export interface JoinRequest {
  readonly groupId: string;
  /** Empty: a new member. */
  readonly memberId: string;
  readonly sessionTimeout: number;
  readonly rebalanceTimeout: number;
  readonly groupProtocols: readonly { readonly name: string; readonly metadata: Buffer }[];
}

export interface Joined {
  readonly generationId: number;
  readonly leaderId: string;
  readonly memberId: string;
  readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[];
}

/**
 * Answered once everybody has joined, or after `rebalanceTimeout`. A new member is refused first, with an id to ask with
 * (KIP-394): `memberIdOf` says it. kafkajs's own call keeps that id to itself, so that an answer which is lost leaves a member
 * in the group whom nobody is.
 */
export const joinGroup = (request: JoinRequest): WireRequest<Joined> =>
  load('kafkajs/src/protocol/requests/joinGroup/index.js').protocol({ version: 5 })({ protocolType: 'consumer', ...request });

export const memberIdOf = (error: unknown): string | null =>
  error instanceof Error && error.name === 'KafkaJSMemberIdRequired' ? (error as Error & { memberId: string }).memberId : null;

export interface SyncRequest {
  readonly groupId: string;
  readonly generationId: number;
  readonly memberId: string;
  readonly groupAssignment: readonly { readonly memberId: string; readonly memberAssignment: Buffer }[];
}

/** Answered once the leader has assigned; kafkajs's own call waits for that no longer than for anything else. */
export const syncGroup = (request: SyncRequest, requestTimeout: number): WireRequest<{ readonly memberAssignment: Buffer }> => ({
  ...load('kafkajs/src/protocol/requests/syncGroup/index.js').protocol({ version: 3 })({ groupInstanceId: null, ...request }),
  requestTimeout,
});

/** By connection: kafkajs's own, which knows TLS. */
export const socketFactory = (): ISocketFactory => load('kafkajs/src/network/socketFactory.js')() as ISocketFactory;

/** The logger that Cluster takes, made of a public logCreator. */
export const internalLogger = (creator: logCreator, level: number): unknown =>
  load('kafkajs/src/loggers/index.js').createLogger({ level, logCreator: creator });

/** kafkajs's error for a protocol code; `type` is its name. Codes newer than kafkajs are UNKNOWN. */
export const protocolError = (code: number): Error & { type?: string } => {
  const error = load('kafkajs/src/protocol/error.js').createErrorFromCode(code) as Error & { type?: string };
  // Kafka 4 answers these two; kafkajs 2.2.4 has no name for them.
  if (code === 90) error.type = 'PRODUCER_FENCED';
  if (code === 120) error.type = 'TRANSACTION_ABORTABLE';
  return error;
};

/** What kafkajs takes for an encoded request: it asks for these fields of its own Encoder. */
export const encoded = (buffer: Buffer): unknown => ({ buf: buffer, offset: buffer.length, buffer, size: () => buffer.length });
