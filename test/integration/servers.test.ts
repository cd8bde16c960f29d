/**
 * The processes that make the calls of children: what they have in common with this one, and what not.
 *
 * The parts are in one process, which they share with their set-up.
 */
import "./servers/endings.ts"
import "./servers/memory.ts"
import "./servers/starts.ts"
