import { escapeHtml } from "../../../lib/html.ts";

/** What a template makes: the same message twice, for clients that show HTML and for those that do not. */
export interface Rendered {
	subject: string;
	text: string;
	html: string;
}

const STYLE = {
	body: "margin:0;background:#f6f5f1;font:16px/1.5 Helvetica,Arial,sans-serif;color:#222",
	box: "max-width:36rem;margin:2rem auto;background:#fff;padding:2rem;border-radius:8px",
	button:
		"display:inline-block;background:#1d5d8c;color:#fff;padding:.7rem 1.2rem;border-radius:6px;text-decoration:none",
} as const;

/** The frame of every mail. @param body trusted HTML */
export const layout = (title: string, body: string): string =>
	`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title></head>` +
	`<body style="${STYLE.body}"><div style="${STYLE.box}"><h1 style="font-size:1.4rem">${escapeHtml(title)}</h1>${body}</div></body></html>`;

export const button = (url: string, label: string): string =>
	`<p><a href="${escapeHtml(url)}" style="${STYLE.button}">${escapeHtml(label)}</a></p>`;
