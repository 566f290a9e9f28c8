/** GetOrganization: one organization by id or by slug. */
import { create } from '@bufbuild/protobuf';
import {
  type GetOrganizationRequest,
  type GetOrganizationResponse,
  GetOrganizationResponseSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { AssentError, invalidArgument } from '../errors.ts';
import { organizationMessage } from './messages.ts';
import type { Services } from './services.ts';
import { requireId } from './validate.ts';

export const getOrganization = async (
  services: Services,
  { lookup }: GetOrganizationRequest,
): Promise<GetOrganizationResponse> => {
  if (lookup.case === undefined) throw invalidArgument('lookup', 'set organization_id or slug.');
  const organization =
    lookup.case === 'organizationId'
      ? await services.directory.organizationById(requireId('organization_id', lookup.value))
      : await services.directory.organizationBySlug(requireId('slug', lookup.value));
  if (organization === null) throw new AssentError('ORGANIZATION_NOT_FOUND', 'There is no such organization.');
  return create(GetOrganizationResponseSchema, { organization: organizationMessage(organization) });
};
