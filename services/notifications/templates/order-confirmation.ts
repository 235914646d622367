import { escapeHtml } from "../../../lib/html.ts";
import { formatMoney } from "../../../lib/money.ts";
import type { Address, Order } from "../../orders/orders.contract.ts";
import { layout, type Rendered } from "./template.ts";

/** Tells the customer that the order is paid. */
export function orderConfirmation(order: Order): Rendered {
	const subject = `Your order ${order.number}`;
	const thanks = `Thank you for your order ${order.number}. We have received your payment of ${formatMoney(order.payment.amount)}.`;
	const lines = order.lines.map(line => ({
		what: `${line.quantity} × ${line.title}`,
		price: formatMoney(line.lineTotal),
	}));
	const sums = [
		{ what: "Subtotal", price: order.totals.subtotal },
		{ what: "Discount", price: order.totals.discount },
		{ what: "Shipping", price: order.totals.shipping },
		{ what: "Tax", price: order.totals.tax },
	]
		.filter(({ what, price }) => what === "Subtotal" || price.amount !== 0)
		.concat({ what: "Total", price: order.totals.total })
		.map(({ what, price }) => ({ what, price: formatMoney(price) }));
	const rows = [...lines, ...sums];
	const address = addressLines(order.shippingAddress);
	const cells = rows.map(
		({ what, price }) =>
			`<tr><td>${escapeHtml(what)}</td><td style="text-align:right;white-space:nowrap">${escapeHtml(price)}</td></tr>`,
	);
	return {
		subject,
		text: `${thanks}\n\n${rows.map(({ what, price }) => `${what}: ${price}`).join("\n")}\n\nShipped to:\n${address.join("\n")}\n`,
		html: layout(
			subject,
			`<p>${escapeHtml(thanks)}</p><table style="width:100%;border-collapse:collapse">${cells.join("")}</table>` +
				`<p><strong>Shipped to</strong><br>${address.map(escapeHtml).join("<br>")}</p>`,
		),
	};
}

const addressLines = ({ name, company, line1, line2, postalCode, city, region, country }: Address): string[] =>
	[name, company, line1, line2, `${postalCode} ${city}`, region, country].filter((line): line is string =>
		Boolean(line),
	);
