/** The format of policy.yaml, versions 1 and 2, described in docs/use/policy.md. Pure: no I/O. */
export { comparePolicies } from './compare.ts';
export * from './model.ts';
export { type PermissionName, parsePermission } from './permission-name.ts';
export { PolicyError, type PolicyProblem, readPolicy } from './read-policy.ts';
export { writePolicy } from './write-policy.ts';
export { type Problem, readYaml, type YamlNode, type YamlReader } from './yaml-reader.ts';
