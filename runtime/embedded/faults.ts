/** Faults of a real broker that tests and simulations may ask of the embedded log. Each is asked once a call. */
export interface EmbeddedFaults {
  /** `refused`: nothing is written. `lost`: it is written, but the answer is lost; either rejects with LOG_UNAVAILABLE. */
  send?(): 'refused' | 'lost' | undefined;
  /** This partition has no leader now: nothing that is sent to it is written, while what is sent to others with it is. */
  leaderless?(topic: string, partition: number): boolean;
  /**
   * `aborted`: written, aborted, never seen; rejects with ABORTED. `committed` and `open`: rejects with
   * COMMIT_UNKNOWN, and the transaction is committed, or stays open (readers stop before it) until
   * `reopen` or another's `fence` aborts it.
   */
  commit?(transactionalId: string): 'aborted' | 'committed' | 'open' | undefined;
}
