import type { Action } from "../../lib/contracts.ts";
import type { Role } from "../../lib/permissions.ts";

export interface Profile {
	id: string;
	email: string;
	name: string | null;
	/** BCP 47, such as `en` or `de-AT`. */
	locale: string;
	createdAt: string;
	version: number;
}

export interface Me extends Profile {
	roles: Role[];
}

export interface UsersActions {
	"users.me": Action<void, Me>;
	/** Honours If-Match: VERSION_MISMATCH. */
	"users.updateMe": Action<{ name?: string | null; locale?: string }, Me>;
	/** Internal: makes the profile of a verified account; a repeat finds it. */
	"users.create": Action<{ id: string; email: string; name?: string | null }, Profile>;
	/** Internal. NOT_FOUND. */
	"users.get": Action<{ id: string }, Profile>;
}

declare module "../../lib/contracts.ts" {
	interface ActionContracts extends UsersActions {}
}
