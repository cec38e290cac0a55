export { createPresenceStore, type PresenceStoreOptions } from './store.ts';
