import type { AdminProduct, Product, Variant } from "./products.contract.ts";
import type { ProductDocument } from "./products.model.ts";
import type { LiveProduct } from "./products.repository.ts";

export const productView = ({
	_id,
	slug,
	title,
	description,
	brand,
	categories,
	images,
	attributes,
	variants,
	createdAt,
	updatedAt,
	version,
}: Omit<ProductDocument, "status">): Product => ({
	id: _id,
	slug,
	title,
	description,
	brand,
	categories,
	images,
	attributes,
	variants: variants.map(({ sequence: _, importedBy: __, ...variant }): Variant => variant),
	createdAt: createdAt.toISOString(),
	updatedAt: updatedAt.toISOString(),
	version,
});

export const adminProductView = (product: LiveProduct): AdminProduct => ({
	...productView(product),
	status: product.status,
	mpn: product.mpn,
	ean: product.ean,
	releasedAt: product.releasedAt,
});
