// Channels that are pruned, taken out: smaller layers with the same outputs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "tenzo/ops/index.hpp"
#include "tenzo/prune/mask.hpp"

namespace tenzo::prune {

/// Channels between layers: who makes them, which norms they pass, who reads them. Names are those of layers in the
/// tree, "blocks.0.conv". A layer that reads them after a flattening reads as many numbers a channel as it has places.
struct ChannelLink {
  std::string from = {};                // its outputs are the channels
  std::vector<std::string> norms = {};  // leaves of one axis, a number a channel
  std::string to = {};                  // its inputs are the channels
  std::int64_t channels = 0;
};

/// The links of a chain: a model whose tree names its layers in the order in which they are applied, each followed by
/// its norms, without branches. The last layer's outputs are the model's and no link.
///   Throws  ValueError where inputs are no whole multiple of the channels before them.
template <Tree M>
std::vector<ChannelLink> chain_links(const M& model) {
  std::vector<ChannelLink> links;
  const auto layer_of = [](const Path& at) { return at.parent ? at.parent->str() : std::string(); };
  for_each_leaf(
      [&](const Path& at, const auto& w) {
        const std::string layer = layer_of(at);
        if (w.rank() >= 2) {
          const std::int64_t in = w.shape()[1];
          if (!links.empty()) {
            links.back().to = layer;
            const std::int64_t n = links.back().channels;
            require(n > 0 && in % n == 0, "channels: ", layer, " reads ", in, " inputs of the ", n, " channels of ",
                    links.back().from);
          }
          links.push_back({.from = layer, .channels = w.shape()[0]});
        } else if (!links.empty() && layer != links.back().from) {
          require(w.size() == links.back().channels, "channels: ", at.str(), " is ", w.shape(), " behind the ",
                  links.back().channels, " channels of ", links.back().from);
          if (links.back().norms.empty() || links.back().norms.back() != layer) links.back().norms.push_back(layer);
        }
      },
      model);
  if (!links.empty()) links.pop_back();
  return links;
}

/// Numbers of the channels that are kept, in order.
using Channels = std::vector<std::int64_t>;

/// Which outputs of a layer a mask keeps any weight of. All, where it has no mask.
template <MaskTree K>
Channels kept_channels(const K& mask, const ChannelLink& link) {
  Channels kept;
  bool found = false;
  for_each_leaf(
      [&](const Path& at, const Tensor<std::uint8_t>& m) {
        if (!at.parent || at.parent->str() != link.from || m.rank() < 2) return;
        found = true;
        const std::int64_t width = m.shape().inner(0);
        for (std::int64_t c = 0; c < m.shape()[0]; ++c)
          if (std::any_of(m.data() + c * width, m.data() + (c + 1) * width, [](auto x) { return x != 0; }))
            kept.push_back(c);
      },
      mask);
  if (!found)
    for (std::int64_t c = 0; c < link.channels; ++c) kept.push_back(c);
  return kept;
}

namespace detail {

inline void expect_channels(const ChannelLink& link, const Channels& kept) {
  require(!kept.empty(), "channels: no channel of ", link.from, " is left");
  for (std::size_t i = 0; i < kept.size(); ++i)
    require(0 <= kept[i] && kept[i] < link.channels && (i == 0 || kept[i - 1] < kept[i]), "channels: number ", kept[i],
            " of the ", link.channels, " of ", link.from, "; want rising numbers");
}

}  // namespace detail

/// The mask of pruned channels: `mask` without their weights where they are made and where they are read. Nothing that
/// a channel still holds, by its bias or its norm, comes through.
template <MaskTree K>
K channel_mask(const K& mask, const ChannelLink& link, const Channels& kept) {
  using U = Tensor<std::uint8_t>;
  detail::expect_channels(link, kept);
  std::vector<bool> stays(std::size_t(link.channels), false);
  for (const std::int64_t c : kept) stays[std::size_t(c)] = true;
  return map_tree<U>(mask, [&](const Path& at, const U& m) {
    const std::string layer = at.parent ? at.parent->str() : std::string();
    if (m.rank() < 2 || (layer != link.from && layer != link.to)) return m;
    U out = m.clone();
    const std::int64_t rows = m.shape()[0], in = m.shape()[1], taps = m.shape().inner(1);
    const std::int64_t places = std::max<std::int64_t>(1, in / link.channels);
    for (std::int64_t i = 0; i < out.size(); ++i) {
      const std::int64_t row = i / (in * taps), col = i / taps % in;
      const bool made = layer != link.from || rows != link.channels || stays[std::size_t(row)];
      const bool read = layer != link.to || stays[std::size_t(col / places)];
      if (!made || !read) out(i) = 0;
    }
    return out;
  });
}

/// The model without the channels that are not kept: rows of the layer that makes them, its bias, all numbers of its
/// norms, inputs of the layer that reads them. Its outputs are those of the model under `channel_mask`, up to rounding.
///   Settings stay as they are: convolutions in groups are refused by their shapes when they are next called.
template <Tree M>
M without_channels(const M& model, const ChannelLink& link, const Channels& kept) {
  using V = leaf_t<M>;
  detail::expect_channels(link, kept);
  const auto chosen = [](const Channels& rows) { return Indices::from({std::int64_t(rows.size())}, rows); };
  bool made = false, read = false;
  M out = map_tree<V>(model, [&](const Path& at, const V& w) {
    const std::string layer = at.parent ? at.parent->str() : std::string();
    const bool norm = std::find(link.norms.begin(), link.norms.end(), layer) != link.norms.end();
    if (layer == link.from || norm) {
      expect(w.rank() > 0 && w.shape()[0] == link.channels, "channels: ", at.str(), " is ", w.shape(), "; want ",
             link.channels, " channels");
      made = made || (layer == link.from && w.rank() >= 2);
      return index_select(w, 0, chosen(kept));
    }
    if (layer == link.to && w.rank() >= 2) {
      const std::int64_t places = w.shape()[1] / link.channels;
      expect(places > 0 && w.shape()[1] % link.channels == 0, "channels: ", at.str(), " is ", w.shape(), "; want ",
             link.channels, " channels, or a multiple");
      read = true;
      Channels inputs;
      for (const std::int64_t c : kept)
        for (std::int64_t p = 0; p < places; ++p) inputs.push_back(c * places + p);
      return index_select(w, 1, chosen(inputs));
    }
    return w;
  });
  require(made && read, "channels: no weights of ", link.from, " or of ", link.to);
  return out;
}

/// A chain without all the channels of which a mask keeps no weight, and the mask that gives the same outputs.
template <Tree M>
struct Compacted {
  M model;
  Mask<M> mask;                      // of the model that was given
  std::vector<std::int64_t> widths;  // channels of each link that are left
};

/// Takes out the pruned channels of links, a chain's say.
///   Throws  ValueError where a layer would be emptied.
template <Tree M>
Compacted<M> compacted(const M& model, const Mask<M>& mask, const std::vector<ChannelLink>& links) {
  Compacted<M> c{model, mask, {}};
  for (const ChannelLink& link : links) {
    const Channels kept = kept_channels(mask, link);
    c.mask = channel_mask(c.mask, link, kept);
    c.model = without_channels(c.model, link, kept);
    c.widths.push_back(std::int64_t(kept.size()));
  }
  return c;
}

}  // namespace tenzo::prune
