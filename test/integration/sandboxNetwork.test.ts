/** Networks of sandboxes with a list of hosts, as root and as a user. */
import { assert, it } from "@effect/vitest"
import * as fs from "node:fs"
import { run, spawn } from "../../src/promise.ts"
import { networks } from "../support/sandboxNetwork.ts"
import { scenarioSuite } from "../support/scenarioSuite.ts"

scenarioSuite({
  title: "a sandbox with a list of hosts",
  set: "networks",
  scenarios: networks,
  clean: "each",
  more: (sandboxes) =>
    it("sandboxes of root on a bridge reach each other; a user is told what it takes", async () => {
      const network = (host: number) => ({
        bridge: "rfxsbox0",
        createBridge: "10.213.77.1/24",
        address: `10.213.77.${host}/24`,
        gateway: "10.213.77.1"
      })
      const stateRoot = sandboxes().stateRoot("root")
      const server = "import socket\nwith socket.create_server(('10.213.77.2', 8000)) as s:\n" +
        " print('up', flush=True)\n while True:\n  s.accept()[0].sendall(b'hello')"
      const one = await spawn(["python3", "-c", server], { network: network(2), stateRoot })
      await new Promise((resolve) => one.stdout.once("data", resolve))
      const client = "import socket; print(socket.create_connection(('10.213.77.2', 8000), 20).recv(9).decode())"
      const { stderr, stdout } = await run(["python3", "-c", client], { network: network(3), stateRoot })
      assert.strictEqual(stdout, "hello\n", stderr)
      await one.close()
      assert.isFalse(fs.existsSync("/sys/class/net/rfxsbox0"))
      const [outcome] = await sandboxes().run("user", [{ description: { network: network(4) }, command: ["true"] }])
      assert.match(JSON.stringify(outcome), /network\.bridge = .*takes root's rights over the host's network/)
    })
})
