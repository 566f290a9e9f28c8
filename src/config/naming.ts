/** `ASSENT_NAMING`: how Better Auth's models are named in the database. Pure. */
import { type Naming, renamableNames } from '../database/naming.ts';

/**
 * `auto`, `plural` or `singular`, then renamed models and fields: `auto,user=people,user.email=mail`. Two models may be
 * left alone: `organizationRole=off,jwks=off`.
 */
export const parseNaming = (text: string): { readonly value: Naming; readonly problems: readonly string[] } => {
  const renamed = new Map<string, string>();
  const problems: string[] = [];
  let tables: Naming['tables'] = 'auto';
  for (const part of text.split(',').map((item) => item.trim())) {
    if (part === 'auto' || part === 'plural' || part === 'singular') {
      tables = part;
      continue;
    }
    const [name = '', ...rest] = part.split('=');
    const target = rest.join('=').trim();
    if (target === '') problems.push(`has "${part}": write auto, plural, singular or model=table, model.field=column.`);
    else if (!renamableNames.has(name.trim())) {
      problems.push(
        `renames "${name.trim()}", which Assent does not read; it reads ${[...renamableNames].join(', ')}.`,
      );
    } else renamed.set(name.trim(), target);
  }
  return { value: { tables, renamed }, problems };
};
