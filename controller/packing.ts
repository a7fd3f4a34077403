import { gunzipSync, gzipSync } from 'node:zlib';

/** No manifest is larger; what claims to be is not unpacked. */
export const UNPACKED = { maxOutputLength: 64 * 1024 * 1024 } as const;

/** A few kilobytes are packed for each host at each push: a small window takes a quarter of the time of the usual one. */
export const PACKING = { level: 1, windowBits: 12, memLevel: 5, chunkSize: 8192 } as const;

/** By gzip. */
export function pack(text: string): Buffer {
  return alone(gzipSync(text, PACKING));
}

/** Throws where it would be too large, or was damaged. */
export function unpack(packed: Uint8Array): string {
  return gunzipSync(packed, UNPACKED).toString('utf8');
}

/** A copy without the large buffer that a small one is cut from, which would stay in memory with it. */
export function alone(buffer: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(buffer.length);
  buffer.copy(copy);
  return copy;
}
