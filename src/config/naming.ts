/** `ASSENT_NAMING`: how Better Auth's models are named in the database. Pure. */
import { type Naming, parseTableName, renamableNames } from '../database/naming.ts';

/**
 * `auto`, `plural` or `singular`, then renamed models and fields: `auto,user=people,user.email=mail`. A table may have its
 * schema, `user=auth.user`; what a plugin adds may be left alone, `organization=off,user.banned=off`.
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
    } else if (!name.includes('.') && parseTableName(target) === null) {
      problems.push(
        `has "${part}": write ${name.trim()}=table or ${name.trim()}=schema.table, in double quotes with a dot.`,
      );
    } else renamed.set(name.trim(), target);
  }
  return { value: { tables, renamed }, problems };
};
