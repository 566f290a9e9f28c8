/** ListUserOrganizations: a user's memberships, page by page. */
import { create } from '@bufbuild/protobuf';
import {
  type ListUserOrganizationsRequest,
  type ListUserOrganizationsResponse,
  ListUserOrganizationsResponseSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { demandOf } from '../admission/demand.ts';
import { checkId, checkPageSize, checkPageToken, Violations } from './request.ts';
import { membershipMessage } from './response.ts';
import type { Caller, Services } from './services.ts';

export async function listUserOrganizations(
  services: Services,
  request: ListUserOrganizationsRequest,
  caller: Caller,
): Promise<ListUserOrganizationsResponse> {
  const { userId, pageToken } = request;
  const violations = new Violations();
  checkId(violations, 'user_id', userId);
  const pageSize = checkPageSize(violations, 'page_size', request.pageSize);
  checkPageToken(violations, 'page_token', pageToken);
  violations.reject();
  const after = services.pageTokens.read(userId, pageToken);
  // One more than the page tells whether another page follows.
  const memberships = await services.directory.memberships({ userId, after, limit: pageSize + 1 }, demandOf(caller));
  const page = memberships.slice(0, pageSize);
  const last = page.at(-1);
  return create(ListUserOrganizationsResponseSchema, {
    memberships: page.map(membershipMessage),
    nextPageToken:
      memberships.length > pageSize && last !== undefined
        ? services.pageTokens.issue(userId, last.organization.id)
        : '',
  });
}
