import type { Client, Json } from "./client.ts";
import { until } from "./until.ts";

/** A shop that runs somewhere: in this process, or as a cluster. */
export interface Shop {
	/** One per gateway. */
	urls: string[];
	mongodbUri: string;
	stop(): Promise<void>;
}

export const ADMIN = { email: "admin@shop.test", password: "correct horse battery staple" };

export const ADDRESS = {
	name: "Ada Lovelace",
	line1: "12 St James's Square",
	city: "London",
	postalCode: "SW1Y 4JH",
	country: "GB",
};

export const eur = (amount: number) => ({ amount, currency: "EUR" });

/** Signs the first admin in; waits for the account, which a start makes in the background. */
export async function adminToken(client: Client): Promise<string> {
	const answer = await until("the admin's sign-in", async () => {
		const login = await client.post("/auth/login", ADMIN);
		return login.status === 200 && login;
	});
	return answer.body.accessToken;
}

export interface Goods {
	productId: string;
	slug: string;
	sku: string;
}

/** A published product with one variant and so much stock. */
export async function stockProduct(
	client: Client,
	token: string,
	{
		sku,
		price = 1999,
		stock,
		title = `Product ${sku}`,
	}: { sku: string; price?: number; stock: number; title?: string },
): Promise<Goods> {
	const created = await client.post(
		"/admin/products",
		{ title, status: "published", variants: [{ sku, price: eur(price) }] },
		{ token },
	);
	if (created.status !== 201) throw new Error(`No product: ${created.status} ${created.text}`);
	const received = await client.post(
		`/admin/inventory/${sku}/receipts`,
		{ quantity: stock, reason: "opening" },
		{ token },
	);
	if (received.status >= 300) throw new Error(`No stock: ${received.status} ${received.text}`);
	return { productId: created.body.id, slug: created.body.slug, sku };
}

/** An open cart with one line. */
export async function cartWith(client: Client, sku: string, quantity = 1): Promise<Json> {
	const cart = await client.post("/carts", { currency: "EUR", lines: [{ sku, quantity }] });
	if (cart.status !== 201) throw new Error(`No cart: ${cart.status} ${cart.text}`);
	return cart.body;
}

export const checkoutBody = (cart: Json, { token = "tok_ok", email = "ada@shop.test" } = {}) => ({
	email,
	shippingAddress: ADDRESS,
	payment: { method: "test", token },
	expectedTotal: cart.totals.total,
});

/** Tries a checkout again with the same key until it gets a final answer, as a good client does. */
export async function checkoutUntilFinal(
	client: Client,
	cartId: string,
	body: unknown,
	key: string,
	timeoutMs = 40_000,
) {
	return until(
		`the final answer of ${key}`,
		async () => {
			const answer = await client.post(`/carts/${cartId}/checkout`, body, { key });
			const isFinal = answer.status < 500 && answer.status !== 429 && answer.body?.code !== "IDEMPOTENCY_IN_PROGRESS";
			if (!isFinal) await new Promise(resolve => setTimeout(resolve, 200));
			return isFinal && answer;
		},
		timeoutMs,
	);
}
