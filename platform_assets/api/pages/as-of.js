// The slider says which version it stands at while it moves; without this the page says so after "Show".
const slider = document.getElementById("at"), says = document.getElementById("at-says");
const names = Array.from(document.querySelectorAll("#versions option"), (option) => option.label);
const tell = () => { says.value = names[slider.value]; slider.setAttribute("aria-valuetext", names[slider.value]); };
if (slider && says) { slider.addEventListener("input", tell); tell(); }
