/**
 * Each kind of container as the kernel shows it from outside, and as its program sees it: the first process, and one that
 * is executed in it later.
 *
 * The parts are in one process, which they share with their set-up.
 */
import "./types/each.ts"
import "./types/others.ts"
