/** What the tests of validation begin with: the default, and parts of it. */
import { render } from "../../src/config/ConfigError.ts"
import type { Container } from "../../src/config/Container.ts"
import { defaultSpec } from "../../src/config/defaults.ts"
import { validate } from "../../src/config/validate.ts"

export const base = defaultSpec({ rootfs: "/srv/root", args: ["sh"] })

export const without = (...types: ReadonlyArray<string>) => base.namespaces.filter(({ type }) => !types.includes(type))

export const map = (containerId: number, hostId: number, size: number) => ({ containerId, hostId, size })

export const told = (parts: Partial<Container>): ReadonlyArray<string> => validate({ ...base, ...parts }).map(render)
