/** A part of systeminformation that can be loaded alone; the package declares types for the whole only. */
declare module 'systeminformation/lib/memory.js' {
  export const mem: typeof import('systeminformation').mem;
}
