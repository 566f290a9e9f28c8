/** `ASSENT_NAMING`: the names of Better Auth's models and fields in the database. Pure. */
import { type Naming, parseTableName, renamableNames } from '../database/naming.ts';

/**
 * Parses `auto`, `plural` or `singular`, followed by renamed models and fields: `auto,user=people,user.email=mail`. A table may
 * have its schema, `user=auth.user`. `off` ignores the tables or columns of a plugin: `organization=off,user.banned=off`.
 */
export function parseNaming(text: string): { readonly value: Naming; readonly problems: readonly string[] } {
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
    } else if (!name.includes('.') && parseTableName(target) === null) {
      problems.push(
        `has "${part}": write ${name.trim()}=table or ${name.trim()}=schema.table, in double quotes with a dot.`,
      );
    } else renamed.set(name.trim(), target);
  }
  return { value: { tables, renamed }, problems };
}
