/**
 * The process and credential steps on the real kernel: each test forks a child that runs them and execs, and looks at the
 * process from outside.
 *
 * The parts are in one process, which they share with their set-up.
 */
import "./credentials/capabilities.ts"
import "./credentials/limits.ts"
import "./credentials/namespaces.ts"
import "./credentials/rest.ts"
import "./credentials/start.ts"
import "./credentials/terminal.ts"
import "./credentials/user.ts"
