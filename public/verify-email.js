// Posts the token of the mail. The answer's tokens are not kept: the person signs in afterwards.

const button = document.getElementById("verify");
const answer = document.getElementById("answer");
const token = new URLSearchParams(location.search).get("token") ?? "";
// The token must not stay in the history, nor reach another page.
history.replaceState(null, "", location.pathname);

async function verify() {
	button.disabled = true;
	try {
		const response = await fetch("/api/v1/auth/verify-email", {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify({ token }),
		});
		if (response.ok) {
			answer.textContent = "Your address is verified: you can sign in now.";
			button.hidden = true;
			return;
		}
		answer.textContent =
			response.status === 503
				? "The shop is busy right now. Please try again in a moment."
				: "This link was used already, or it is older than 24 hours. Register again to get a new one.";
	} catch {
		answer.textContent = "The shop could not be reached. Please try again.";
	}
	button.disabled = false;
}

button.addEventListener("click", verify);
