/** The page of a server without a demo. */
import { bindCopy, fillLines } from './lines.js'

fillLines()
bindCopy()
