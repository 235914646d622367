import { DomainError } from "../../../lib/errors.ts";
import { idRule } from "../../../lib/rules.ts";
import type { ProductsActionGroup } from "../products.types.ts";

const tags = ["Catalogue, staff"];

export const importActions: ProductsActionGroup<"import" | "importJob"> = {
	import: {
		visibility: "published",
		rest: { route: "POST /admin/products/import", status: 202, body: "stream" },
		permissions: ["products:write"],
		timeout: 0,
		params: { stock: { type: "number", integer: true, min: 0, max: 1_000_000, convert: true, optional: true } },
		openapi: { summary: "Loads a catalogue of any size", tags },
		handler() {
			throw new DomainError("SERVICE_UNAVAILABLE", "Imports are not ready yet");
		},
	},
	importJob: {
		visibility: "published",
		rest: "GET /admin/jobs/:id",
		permissions: ["products:write"],
		isIdempotent: true,
		params: { id: idRule() },
		openapi: { summary: "How far an import is", response: "ImportJob", tags },
		handler() {
			throw new DomainError("NOT_FOUND", "The job was not found");
		},
	},
};
