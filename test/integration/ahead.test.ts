/**
 * Effects that run ahead of their process come to what they come to without that, in a few turns.
 *
 * The parts are in one process, which they share with their set-up.
 */
import "./ahead/acknowledged.ts"
import "./ahead/alike.ts"
import "./ahead/apart.ts"
import "./ahead/copies.ts"
import "./ahead/limits.ts"
import "./ahead/parameters.ts"
import "./ahead/random.ts"
import "./ahead/results.ts"
import "./ahead/turns.ts"
import "./ahead/words.ts"
