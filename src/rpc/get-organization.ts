/** GetOrganization: one organization, by id or by slug. */
import { create } from '@bufbuild/protobuf';
import {
  type GetOrganizationRequest,
  type GetOrganizationResponse,
  GetOrganizationResponseSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { demandOf } from '../admission/demand.ts';
import { AssentError, invalidArgument } from '../errors.ts';
import { checkId, Violations } from './request.ts';
import { organizationMessage } from './response.ts';
import type { Caller, Services } from './services.ts';

export async function getOrganization(
  services: Services,
  { lookup }: GetOrganizationRequest,
  caller: Caller,
): Promise<GetOrganizationResponse> {
  if (lookup.case === undefined) throw invalidArgument('lookup', 'set organization_id or slug.');
  const violations = new Violations();
  checkId(violations, lookup.case === 'organizationId' ? 'organization_id' : 'slug', lookup.value);
  violations.reject();
  const organization =
    lookup.case === 'organizationId'
      ? await services.directory.organizationById(lookup.value, demandOf(caller))
      : await services.directory.organizationBySlug(lookup.value, demandOf(caller));
  if (organization === null) throw new AssentError('ORGANIZATION_NOT_FOUND', 'There is no such organization.');
  return create(GetOrganizationResponseSchema, { organization: organizationMessage(organization) });
}
