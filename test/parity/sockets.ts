/** Pipes, fifos and unix sockets: pipe(7), fifo(7), unix(7), poll(2). */
import { type Scenarios, union } from "../support/parityLines.ts"
import { connections } from "./sockets/connections.ts"
import { messages } from "./sockets/messages.ts"
import { peers } from "./sockets/peers.ts"
import { pipes } from "./sockets/pipes.ts"

export const sockets: Scenarios = union(pipes, peers, messages, connections)
