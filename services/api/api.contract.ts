import type { Action } from "../../lib/contracts.ts";
import type { Readiness } from "../../lib/health.ts";

export interface RegistryNode {
	id: string;
	isLocal: boolean;
	isAvailable: boolean;
	services: string[];
}
export interface RegistryService {
	name: string;
	nodes: string[];
	isAvailable: boolean;
}
export interface RegistryAction {
	name: string;
	/** Method and path of a published action. */
	route: string | null;
	isAvailable: boolean;
}

export interface ApiActions {
	/** True while the event loop turns; looks at nothing else. */
	"api.live": Action<void, { status: "ok" }>;
	"api.ready": Action<void, Readiness>;
	/** OpenAPI 3.1 of everything published, made from the live registry. */
	"api.openapi": Action<void, Record<string, unknown>>;
	"api.nodes": Action<void, { items: RegistryNode[] }>;
	"api.services": Action<void, { items: RegistryService[] }>;
	"api.actions": Action<void, { items: RegistryAction[] }>;
}

/** Broadcast, not durable: what nobody told to stop ends at its bounds. */
export interface ApiHints {
	/** Who sent this upload has gone without its answer. */
	"upload.abandoned": { uploadId: string };
	/** Whoever reads this upload has got so far; told again and again, since more is sent only then. */
	"upload.taken": { uploadId: string; bytes: number };
}

declare module "../../lib/hints.ts" {
	interface HintContracts extends ApiHints {}
}
declare module "../../lib/contracts.ts" {
	interface ActionContracts extends ApiActions {}
}
