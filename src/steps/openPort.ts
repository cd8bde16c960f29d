/**
 * Listen on a port of the container's own loopback interface, and hand the socket to the application.
 *
 * A socket belongs to the network namespace in which it was made, even if a process outside has it. So the application answers
 * the container through this one without being in its network, and without any other way between the two. It is sent before
 * the program runs: nobody else in the container could have put another one in its place.
 *
 * @see network_namespaces(7), unix(7) `SCM_RIGHTS`, ip(7)
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { AF, MSG, SOCK } from "../native/constants.ts"
import { using } from "../native/Files.ts"
import { sys } from "../native/Kernel.ts"
import { InNamespaces } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** How many connections wait to be accepted. If there are more, their senders try again. */
const backlog = 64

/** The address of {@link openPort}: nobody outside of the container reaches it. */
const loopback = "127.0.0.1"

/** Listens on `Init.port` and sends the socket to the caller; does nothing if no port is asked for. */
export const openPort = Step.make("openPort", {
  doc: "listen on a port of the loopback interface, and hand the socket to the application",
  calls: ["socket", "bind", "listen", "sendmsg", "close"],
  requires: [Init, InNamespaces],
  reversal: "irreversible",
  replayable: true,
  advice: {
    EADDRNOTAVAIL: "the container's loopback interface must be up: give it a network of the type \"loopback\"",
    EADDRINUSE: "the network namespace is one that others use, who have the port: let the container make its own",
    EACCES: "ports below 1024 take CAP_NET_BIND_SERVICE: choose a higher one",
    EPIPE: "the receiver of the socket has closed its end"
  },
  run: Effect.gen(function*() {
    const { port } = yield* Init
    if (port === undefined) return
    const made = sys.socket({ domain: AF.INET, type: SOCK.STREAM | SOCK.CLOEXEC, protocol: 0 })
    yield* using(made, (fd) =>
      Effect.gen(function*() {
        yield* sys.bind({ fd, address: loopback, port: port.number })
        yield* sys.listen({ fd, backlog })
        // a message without data could not be told from the end
        yield* sys.sendmsg({ fd: port.socket, data: Buffer.from("port"), fds: [fd], flags: MSG.NOSIGNAL })
      }))
    yield* sys.close({ fd: port.socket })
  })
})
