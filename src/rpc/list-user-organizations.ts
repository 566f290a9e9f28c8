/** ListUserOrganizations: a user's memberships, page by page. */
import { create } from '@bufbuild/protobuf';
import {
  type ListUserOrganizationsRequest,
  type ListUserOrganizationsResponse,
  ListUserOrganizationsResponseSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { membershipMessage } from './messages.ts';
import type { Services } from './services.ts';
import { checkAll, requireId, requirePageSize, requirePageToken } from './validate.ts';

export const listUserOrganizations = async (
  services: Services,
  request: ListUserOrganizationsRequest,
): Promise<ListUserOrganizationsResponse> => {
  const { userId, pageToken } = request;
  checkAll(
    () => requireId('user_id', userId),
    () => requirePageSize('page_size', request.pageSize),
    () => requirePageToken('page_token', pageToken),
  );
  const pageSize = requirePageSize('page_size', request.pageSize);
  const after = services.pageTokens.read(userId, pageToken);
  // One more than the page tells whether another page follows.
  const memberships = await services.directory.memberships({ userId, after, limit: pageSize + 1 });
  const page = memberships.slice(0, pageSize);
  const last = page.at(-1);
  return create(ListUserOrganizationsResponseSchema, {
    memberships: page.map(membershipMessage),
    nextPageToken:
      memberships.length > pageSize && last !== undefined
        ? services.pageTokens.issue(userId, last.organization.id)
        : '',
  });
};
