/** Roles and what each may do. A permission is `<service>:<verb>`; a role is a list of them, nothing more. */
const ROLE_PERMISSIONS = {
	customer: [],
	support: ["orders:read", "orders:write", "users:read", "inventory:read"],
	manager: [
		"orders:read",
		"orders:write",
		"payments:read",
		"payments:refund",
		"products:read",
		"products:write",
		"inventory:read",
		"inventory:write",
		"users:read",
		"notifications:read",
	],
	admin: [
		"orders:read",
		"orders:write",
		"payments:read",
		"payments:refund",
		"products:read",
		"products:write",
		"inventory:read",
		"inventory:write",
		"users:read",
		"users:write",
		"notifications:read",
		"ops:read",
		"ops:write",
	],
	service: [],
} as const satisfies Record<string, readonly string[]>;

export type Role = keyof typeof ROLE_PERMISSIONS;
export type Permission = (typeof ROLE_PERMISSIONS)[Role][number];

export const ROLES = Object.keys(ROLE_PERMISSIONS) as Role[];

/**
 * Who may call an action: `"anyone"` (a token is welcome, not needed), `"user"` (any signed-in one), or a list of
 * permissions, all of them needed. Ownership of the object is checked in the service on top of this.
 */
export type Access = "anyone" | "user" | readonly Permission[];

/** Who is calling, as the gateway proved it from the access token. */
export interface Principal {
	id: string;
	sessionId: string;
	roles: Role[];
}

export function mayDo(roles: readonly Role[], permission: Permission): boolean {
	return roles.some(role => (ROLE_PERMISSIONS[role] as readonly string[] | undefined)?.includes(permission));
}
