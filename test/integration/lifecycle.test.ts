/**
 * Every call of every step is made to fail on the real kernel, in the parent and in the init: whatever fails, nothing of
 * the container is left, and the error says where and why.
 *
 * The parts are in one process, which they share with their set-up.
 */
import "./lifecycle/commands.ts"
import "./lifecycle/start.ts"
