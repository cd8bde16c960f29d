/** Handlers of a server's calls that leave its end of the link open. */
import { F } from "../../constants.ts"
import * as Syscalls from "../Syscalls.ts"
import type { Client } from "./Client.ts"
import type { Mailbox } from "./Mailbox.ts"
import type { LinkEnd } from "./ServerGroup.ts"

type Dup3 = Parameters<Syscalls.Handlers["dup3"]>[0]

/** An effect does not know of the link. If it closes all descriptors that it does not know, the link must stay open. */
export const sparing = (
  handlers: Syscalls.Handlers,
  link: LinkEnd,
  mailbox: Mailbox,
  client: Pick<Client, "isReplaying">
): Syscalls.Handlers => {
  /** The last call that took the link's number. */
  let taking: Dup3 | undefined
  return {
    ...handlers,
    close: (call) => call.fd === link.fd ? undefined : handlers.close(call),
    close_range: ({ first, flags, last }) => {
      const { fd } = link
      if (fd === undefined || fd < first || fd > last) return handlers.close_range({ first, last, flags })
      if (first < fd) handlers.close_range({ first, last: fd - 1, flags })
      if (fd < last) handlers.close_range({ first: fd + 1, last, flags })
    },
    dup3: (call) => {
      // a run after a wait finds the link moved already, but answers are replayed in order: it has to ask for the move again
      if (call.newfd === link.fd || (call === taking && client.isReplaying)) {
        taking = call
        // the link moves to another number. If that fails, the server can't ring, and ends when it gets no further calls
        const command = F.DUPFD_CLOEXEC
        link.fd = Syscalls.attempted(() => handlers.fcntl({ fd: call.newfd, command, argument: call.newfd + 1 }))
        mailbox.link = link.fd
      }
      return handlers.dup3(call)
    }
  }
}
