// Before anything is drawn: the theme that was chosen here last. Without a choice the system's holds.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem('herz-theme');
  } catch {
    // No storage, no memory.
  }
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
})();
