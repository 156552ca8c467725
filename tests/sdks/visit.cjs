"use strict"
// What one visitor does, in the calls that the Node.js clients of Segment and of RudderStack share.

/** Makes the calls of a visit by `analytics`: eleven, with values as sites hand them over. */
module.exports = (analytics, userId) => {
  const track = (event, properties) => analytics.track({ userId, event, properties })
  const tv = { product_id: "tv-55", category: "tv", currency: "EUR" }
  analytics.identify({ userId, traits: { plan: undefined, createdAt: new Date(0), address: { city: "Zürich 🏔" } } })
  analytics.page({ userId, category: "Home", name: "Start", properties: { url: "https://shop.example/?q=a%20b" } })
  analytics.screen({ userId, name: "Start", properties: { landscape: true } })
  analytics.group({ userId, groupId: 42, traits: { seats: 7n.toString() } })
  track("Products Searched", { query: "a \"tv\"\u2028", filters: [] })
  track("Product Viewed", { ...tv, price: 499.5, image_url: null })
  track("Product Viewed", { ...tv, price: "€499.50", position: Infinity })
  track("Product Added", { ...tv, price: 499.5, quantity: 2, cart_id: 9007199254740993 })
  track("Order Completed", { order_id: 1001, total: 999, tax: NaN, products: [{ ...tv, price: 499.5, quantity: 2 }] })
  track("Something Else", { when: new Date(), nothing: undefined })
  analytics.alias({ userId, previousId: "somebody-before" })
}
