// The page cannot know where it is served; the browser does.
for (const element of document.querySelectorAll(".origin")) element.textContent = location.origin;
