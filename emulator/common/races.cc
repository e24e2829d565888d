#include "races.h"

#include <algorithm>

#include "guarded_memory.h"

namespace attention::emulator {

namespace {
constexpr size_t most_spare_pages = 2000;
constexpr uint32_t last_time = uint32_t(1) << 31;
}  // namespace

class Knowledge {
 public:
  uint32_t times[most_threads];
};

struct RaceDetector::Page {
  Granule granules[page_bytes / granule_bytes];
};

RaceDetector::RaceDetector() = default;
RaceDetector::~RaceDetector() = default;

void RaceDetector::begin_launch(const void* code, std::function<bool(const void* page)> is_watched) {
  code_ = static_cast<const unsigned char*>(code);
  is_watched_ = std::move(is_watched);
  pages_.clear();
  last_number_ = 0;
  last_page_ = nullptr;
  for (auto& page : used_) spare_.push_back(std::move(page));
  used_.clear();
  if (spare_.size() > most_spare_pages) spare_.resize(most_spare_pages);
}

void RaceDetector::begin_block(unsigned threads) {
  if (latest_ > last_time) {
    const void* code = code_;
    begin_launch(code, is_watched_);
    spare_.clear();
    latest_ = 0;
  }
  threads_ = threads;
  start_ = ++latest_;
  const Known nothing = std::make_shared<Knowledge>();
  std::fill_n(nothing->times, threads, start_);
  latest_++;
  std::fill_n(times_, threads, latest_);
  std::fill_n(known_, threads, nothing);
  acquired_from_ = acquired_with_ = acquired_ = nullptr;
}

void RaceDetector::release(Released& released, unsigned thread) {
  const Known& own = known_[thread];
  if (!released.known_ || released.known_.use_count() > 1) {
    released.known_ = std::make_shared<Knowledge>(released.known_ ? *released.known_ : *own);
  }
  uint32_t* times = released.known_->times;
  if (released.last_ != own) {
    for (unsigned i = 0; i < threads_; i++) times[i] = std::max(times[i], own->times[i]);
    released.last_ = own;
  }
  times[thread] = times_[thread]++;
  latest_ = std::max(latest_, times_[thread]);
}

void RaceDetector::acquire(const Released& released, unsigned thread) {
  Known& own = known_[thread];
  if (!released.known_ || own == released.known_) return;
  if (acquired_from_ != released.known_ || acquired_with_ != own) {
    acquired_from_ = released.known_;
    acquired_with_ = own;
    acquired_ = std::make_shared<Knowledge>(*own);
    for (unsigned i = 0; i < threads_; i++) {
      acquired_->times[i] = std::max(acquired_->times[i], released.known_->times[i]);
    }
  }
  own = acquired_;
}

RaceDetector::Page* RaceDetector::page_of(uintptr_t address) {
  const uintptr_t number = address / page_bytes;
  if (number == last_number_) return last_page_;
  const auto [found, is_new] = pages_.try_emplace(number, nullptr);
  if (is_new && is_watched_(reinterpret_cast<const void*>(number * page_bytes))) {
    if (spare_.empty()) spare_.push_back(std::make_unique<Page>());
    used_.push_back(std::move(spare_.back()));
    spare_.pop_back();
    found->second = used_.back().get();
  }
  last_number_ = number;
  return last_page_ = found->second;
}

bool RaceDetector::is_ordered(unsigned thread, const Record& record) const {
  return record.time < start_ || record.thread == thread || record.time <= known_[thread]->times[record.thread];
}

bool RaceDetector::races(unsigned thread, Granule& granule, const Record& record, Other& other) {
  Record* place = nullptr;
  for (Record& old : granule.records) {
    if (old.time == record.time && old.thread == record.thread && old.mask == record.mask &&
        old.writes == record.writes && old.atomic == record.atomic) {
      return false;  // nothing new: others have been compared with it
    }
    const bool ordered = is_ordered(thread, old);
    if (!ordered && (old.mask & record.mask) && (old.writes || record.writes) && !(old.atomic && record.atomic)) {
      other = {old.thread, old.writes, code_ + int32_t(old.instruction)};
      return true;
    }
    // Whatever races with an earlier access of the same bytes races with this one too, unless this one only reads.
    const bool is_covered = !(old.mask & ~record.mask) && (record.writes || !old.writes);
    if (old.time < start_ || (ordered && is_covered)) place = &old;
  }
  if (!place) {
    place = &granule.records[victim_++ % records_per_granule];
    for (Record& old : granule.records) {
      if (!old.writes) place = &old;
    }
  }
  *place = record;
  return false;
}

bool RaceDetector::races(unsigned thread, const Access& access, Other& other) {
  uintptr_t at = reinterpret_cast<uintptr_t>(access.address);
  const uintptr_t end = at + access.bytes;
  Record record{times_[thread],  uint32_t(static_cast<const unsigned char*>(access.instruction) - code_),
                uint16_t(thread), 0, access.writes, access.atomic};
  while (at < end) {
    const uintptr_t granule = at / granule_bytes * granule_bytes;
    const uintptr_t stop = std::min(end, granule + granule_bytes);
    if (Page* page = page_of(at)) {
      record.mask = uint8_t(((1u << (stop - granule)) - 1) & ~((1u << (at - granule)) - 1));
      if (races(thread, page->granules[granule % page_bytes / granule_bytes], record, other)) return true;
    }
    at = stop;
  }
  return false;
}

}  // namespace attention::emulator
