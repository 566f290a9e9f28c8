/** Which of Better Auth's models and fields a call of its adapter names. Pure. */

/** The models whose rows decisions depend on. */
export type Model = 'user' | 'member' | 'organization' | 'organizationRole';

const MODELS: readonly Model[] = ['user', 'member', 'organization', 'organizationRole'];

/** The part of `AuthContext.tables` that this plugin reads. */
export type Tables = Readonly<
  Record<
    string,
    {
      readonly modelName: string;
      readonly fields: Readonly<Record<string, { readonly fieldName?: string | undefined }>>;
    }
  >
>;

export interface Models {
  /** The model with this name; null when decisions do not depend on it. */
  readonly find: (name: string) => Model | null;
  /** Better Auth's own name of a field, from that name or from its column. */
  readonly field: (model: Model, name: string) => string;
}

/** @param tables From Better Auth's context: its adapter takes both the name of a model and the name of its table. */
export function createModels(tables: Tables): Models {
  const byName = new Map<string, Model>();
  const fields = new Map<string, string>();
  // The models' own names come last: an application may give one of them to another table.
  for (const model of MODELS) {
    const table = tables[model];
    // Adapters with `usePlural` add an s to the name of any model.
    for (const name of table === undefined ? [] : [table.modelName, `${table.modelName}s`, `${model}s`]) {
      if (!byName.has(name)) byName.set(name, model);
    }
    const entries = Object.entries(table?.fields ?? {});
    for (const [field, { fieldName }] of entries) fields.set(`${model}.${fieldName ?? field}`, field);
    for (const [field] of entries) fields.set(`${model}.${field}`, field);
  }
  for (const model of MODELS) byName.set(model, model);
  return {
    find: (name) => byName.get(name) ?? null,
    field: (model, name) => fields.get(`${model}.${name}`) ?? name,
  };
}
