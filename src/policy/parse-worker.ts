/** The thread that parses a large policy file. */
import { answerWith } from '../parse-aside.ts';
import { parseResult } from './parse-result.ts';

answerWith(parseResult);
