// Package chart draws charts as SVG.
//
// Each function is pure: the same figures give the same text. A chart has no colours and no styles of its
// own but classes. A stylesheet gives these colours for light and for dark. So a page with a strict policy
// (CSP) can show it. A chart names itself (title, desc; SVG Accessibility API Mappings 1.0) and is one
// image for readers of screens: whoever shows a chart must show its figures as a table beside it.
//
// Texts may hold anything: they are escaped.
package chart
