/** The thread that parses a large file of callers. */
import { answerWith } from '../parse-aside.ts';
import { parseCallersFile } from './file.ts';

answerWith(parseCallersFile);
