/*
 * What the page can do when scripts run: look for words, show only some statuses, copy a command, open all before printing. Everything that the page
 * says is there without it. Nothing from the page's text is ever put back as markup.
 */
(function () {
  'use strict';
  var all = function (selector, root) { return Array.prototype.slice.call((root || document).querySelectorAll(selector)); };
  var families = all('.family');
  var search = document.getElementById('search');
  var buttons = all('.filter button[data-s]');
  var nothing = document.querySelector('.nothing');
  var texts = families.map(function (family) { return family.textContent.toLowerCase(); });
  var opened = families.map(function (family) { return family.open; });

  document.documentElement.classList.add('live');

  function show() {
    var words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    var wanted = buttons.filter(function (b) { return b.getAttribute('aria-pressed') === 'true'; })
      .map(function (b) { return b.dataset.s; });
    var seen = 0;
    families.forEach(function (family, i) {
      var fits = words.every(function (word) { return texts[i].indexOf(word) >= 0; }) &&
        (!wanted.length || wanted.some(function (s) { return family.querySelector('.row[data-s="' + s + '"]'); }));
      family.hidden = !fits;
      seen += fits;
      family.open = fits && (words.length || wanted.length) ? true : opened[i];
    });
    nothing.style.display = seen || !families.length ? 'none' : 'block';
  }
  search.addEventListener('input', show);
  buttons.forEach(function (button) {
    button.addEventListener('click', function () {
      button.setAttribute('aria-pressed', button.getAttribute('aria-pressed') === 'true' ? 'false' : 'true');
      show();
    });
  });

  /* A link to a disk opens the family that it lies in. */
  function reveal() {
    var target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    var family = target && target.closest('.family');
    if (family) {
      family.hidden = false;
      family.open = true;
      target.scrollIntoView({ block: 'center' });
    }
  }
  window.addEventListener('hashchange', reveal);
  reveal();

  document.addEventListener('click', function (event) {
    if (!event.target.classList.contains('copy')) {
      return;
    }
    var text = event.target.parentNode.querySelector('pre').textContent;
    var done = function () {
      event.target.textContent = 'copied';
      setTimeout(function () { event.target.textContent = 'copy'; }, 1500);
    };
    if (navigator.clipboard && window.isSecureContext) {
      navigator.clipboard.writeText(text).then(done);
      return;
    }
    var area = document.createElement('textarea'); /* a file opened from a disk has no clipboard of the newer kind */
    area.value = text;
    document.body.appendChild(area);
    area.select();
    if (document.execCommand('copy')) {
      done();
    }
    area.remove();
  });

  window.addEventListener('beforeprint', function () {
    families.forEach(function (family) { family.open = true; });
  });
}());
