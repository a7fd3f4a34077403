/**
 * Swap of a container is its machine's, and /proc/swaps names the files of all containers by the paths that they have
 * inside: each process that runs tests has a name of its own, so that two do not take one for the other.
 */
export const SWAP_FOLDER = '/srv/swap';
export const SWAP_FILE = `${SWAP_FOLDER}/${process.pid}`;
/** As test/drift/overlay/ writes it. */
export const SWAP_FILE_OF_OVERLAY = '/srv/swap/file';
