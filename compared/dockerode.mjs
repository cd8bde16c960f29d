/**
 * The five jobs with dockerode: they take a daemon, or `podman system service` and DOCKER_HOST, and an image `debian` that is
 * there.
 */
import Docker from "dockerode"
import { PassThrough } from "node:stream"
import { text } from "node:stream/consumers"

const docker = new Docker()

const begin = async (script, HostConfig = {}, User = "65534") => {
  const container = await docker.createContainer({
    Image: "debian",
    Cmd: ["bash", "-c", script],
    User,
    HostConfig: { NetworkMode: "none", CapDrop: ["ALL"], SecurityOpt: ["no-new-privileges"], ...HostConfig }
  })
  const stream = await container.attach({ stream: true, stdout: true, stderr: true })
  const stdout = new PassThrough()
  container.modem.demuxStream(stream, stdout, new PassThrough())
  stream.on("end", () => stdout.end())
  await container.start()
  return { container, stdout }
}

export const capture = async () => {
  const { container, stdout } = await begin("echo out; sleep 60")
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    void container.kill()
  }, 1000)
  const [said] = await Promise.all([text(stdout), container.wait()])
  clearTimeout(timer)
  await container.remove()
  return { stdout: said, timedOut }
}

export const limit = async () => {
  const { container } = await begin("head -c 200000000 /dev/zero | tail", { Memory: 64 * 1024 ** 2, PidsLimit: 32 })
  await container.wait()
  const { State } = await container.inspect()
  await container.remove()
  return { outOfMemory: State.OOMKilled }
}

export const files = async ({ input, output }) => {
  const Binds = [`${input}:/in:ro`, `${output}:/out`]
  const { container } = await begin("sort /in/data > /out/sorted", { Binds }, `${process.getuid()}`)
  const { StatusCode: exitCode } = await container.wait()
  await container.remove()
  return { exitCode }
}

export const network = async ({ probe }) => {
  // none at all; one domain takes a network and a proxy of one's own
  const { container } = await begin(probe)
  const { StatusCode } = await container.wait()
  await container.remove()
  return { reached: StatusCode === 0 }
}

export const stream = async () => {
  const { container, stdout } = await begin("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done")
  let said = ""
  for await (const chunk of stdout) {
    said += chunk
    if (said.split("\n").length > 3) break
  }
  await container.remove({ force: true })
  return { lines: said.split("\n").slice(0, 3) }
}
