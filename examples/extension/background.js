chrome.action.onClicked.addListener(() => chrome.tabs.create({ url: "search.html" }));
