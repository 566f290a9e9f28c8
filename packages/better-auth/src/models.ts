/** Which of Better Auth's tables and columns a call of its adapter means. Pure. */

/** The models whose rows decisions depend on. */
export type Model = 'user' | 'member' | 'organization' | 'organizationRole';

const MODELS: readonly Model[] = ['user', 'member', 'organization', 'organizationRole'];

/** The part of `AuthContext.tables` that matters here. */
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
  /** The model that a name means, or null when decisions do not depend on it. */
  readonly find: (name: string) => Model | null;
  /** The name of a field in Better Auth's own terms, from that or from its column's name. */
  readonly field: (model: Model, name: string) => string;
}

/** @param tables Of Better Auth's context: the adapter takes a model's own name as well as the name of its table. */
export const createModels = (tables: Tables): Models => {
  const byName = new Map<string, Model>();
  const fields = new Map<string, string>();
  // Own names last: an application may call another table by the own name of one of these.
  for (const model of MODELS) {
    const table = tables[model];
    // Adapters with `usePlural` add an s to whatever the model is called.
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
};
