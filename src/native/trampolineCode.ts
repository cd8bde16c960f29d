/** The machine code of `trampoline.c`, compiled by `node scripts/assemble.mjs`; a test holds it to that. */
import type { Architecture, Code } from "./elf.ts"

/** By the machine's name as Node has it. */
export const code: Readonly<Record<Architecture, Code<"start" | "parameters">>> = {
  x64: {
    compiler: "x86_64-linux-gnu-gcc (Debian 12.2.0-14+deb12u1) 12.2.0",
    entries: { start: 0, parameters: 304 },
    base64: [
      "SInn6AAAAABBV0Ux0kUxwEUxyUFWuEgAAABMjTUPAQAAvgIAAABBVUG9AQAAAEFUTInqSYn8VVNMiz9IYz3uAAAADwVIhcB5",
      "LYnDxkQk8EW/AgAAALpUAAAA99uJXCTxiwXKAAAAiwXQAAAASY1sBqzphQAAAIsFvAAAAEiNbCTwhcB1I0mNdCQIS41U/BBF",
      "MdJFMcBFMclIjT2hAAAAuDsAAAAPBes6iwWKAAAARTHSRTHARTHJTInvSInqZolEJPCLBXQAAACLNWYAAABMAfBIiUQk+Lg9",
      "AQAADwVIhcB5o4nDxkQk8EW6BQAAAPfbiVwk8UhjPTUAAABFMdJFMcBFMcm4AQAAAEiJ7g8FMf+D+wK45wAAAEAPlMcx0oPH",
      "fkiJ1khj/w8F9Ov9Dx9AAAAAAAAAAAAAAAAAAAAAAAA="
    ].join("")
  },
  arm64: {
    compiler: "aarch64-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0",
    entries: { start: 0, parameters: 304 },
    base64: [
      "4AMAkQEAAJRHCQAQ5gMAqgkAQPn/QwDR4ABAuSgDgNJBAIDSIgCA0gMAgNIEAIDSAHxAkwUAgNIBAADUYAP4tuYDAEugCIBS",
      "4AMAOYIKgNLmEwC44ABAueMMQLngAwGq40Aji2NQAdHhAwOqCAiA0gMAgNIEAIDSBQCA0gEAANTfCABxyAuA0uAXnxoBAIDS",
      "APgBEQIAgNIAfECTAQAA1AAAINT///8X4AhAuWACADUiBQCRwSAAkagbgNIgBAAQIgwCiwMAgNIEAIDSBQCA0gEAANTmAwBL",
      "oAiAUuADADnjAwCR5hMAuKIAgNLgAEC5AHxAk93//xfgCEC5qCKA0uADAHngDEC54QRAueBAIIvhAwEq4AcA+eADAqriAwCR",
      "AQAA1ID9/7fi//8XAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    ].join("")
  }
}
