// Posts the token of the mail and the password of its registration. The answer's tokens are not kept: the person signs
// in afterwards.

const form = document.getElementById("verify");
const password = document.getElementById("password");
const button = form.querySelector("button");
const answer = document.getElementById("answer");
const token = new URLSearchParams(location.search).get("token") ?? "";
// The token must not stay in the history, nor reach another page.
history.replaceState(null, "", location.pathname);

const PROBLEMS = {
	401: "This did not work: the password is not the one of this registration, or the link was used already or is older than 24 hours. Try again, or register again to get a new link.",
	422: "This link is not complete. Open it from the mail once more, or register again to get a new one.",
	429: "Too many attempts. Please wait a minute and try again.",
	503: "The shop is busy right now. Please try again in a moment.",
};

async function verify(event) {
	event.preventDefault();
	button.disabled = true;
	try {
		const response = await fetch("/api/v1/auth/verify-email", {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify({ token, password: password.value }),
		});
		if (response.ok) {
			answer.textContent = "Your address is verified: you can sign in now.";
			form.hidden = true;
			return;
		}
		answer.textContent = PROBLEMS[response.status] ?? "Something went wrong. Please try again in a moment.";
		password.select();
	} catch {
		answer.textContent = "The shop could not be reached. Please try again.";
	} finally {
		button.disabled = false;
	}
}

form.addEventListener("submit", verify);
