import { memoryStore } from './memory.ts';
import { describeQueries } from './queries.ts';

describeQueries('SQLite', memoryStore);
