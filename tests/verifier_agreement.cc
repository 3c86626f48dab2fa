/*
 * verifier_agreement.cc: our verifier and the one that flatc generates, on messages that were
 * damaged at random.
 *
 * The two must give the same verdict on every message, but for the differences that verifier.h
 * lists (`stricter`, below); anything else fails, in either direction. A strict verifier must
 * refuse all that the other does. And what is accepted is read, by every path that the schema has.
 *
 *     verifier_agreement ZOO.bfbs AGREEMENT.bfbs [MESSAGES [SEED]]     (or FLS_AGREEMENT_MESSAGES)
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <flatbuffers/flatbuffers.h>
#include <flatstream/verifier.h>

#include "agreement_generated.h"
#include "zoo_generated.h"

namespace
{

using Bytes = std::vector<uint8_t>;
using Random = std::mt19937_64;

// ---- messages to start from ------------------------------------------------------------------

uint64_t below(Random &random, uint64_t limit)
{
    return random() % limit;
}

bool often(Random &random)
{
    return below(random, 3) != 0;
}

std::string word(Random &random)
{
    return std::string(below(random, 9), static_cast<char>('a' + below(random, 26)));
}

std::unique_ptr<zoo::ItemT> item(Random &random, int depth)
{
    auto made = std::make_unique<zoo::ItemT>();
    made->name = word(random);
    made->price = static_cast<double>(below(random, 100));
    for (uint64_t i = below(random, 3); i > 0; i--)
        made->tags.push_back(word(random));
    if (depth > 0 && often(random))
        made->part = item(random, depth - 1);
    return made;
}

zoo::ThingUnion thing(Random &random)
{
    zoo::ThingUnion made;
    zoo::WeaponT weapon;
    zoo::MealT meal;

    weapon.name = word(random);
    meal.name = word(random);
    switch (below(random, 4)) {
    case 0:
        made.Set(std::move(weapon));
        break;
    case 1:
        made.Set(std::move(meal));
        break;
    case 2:
        made.Set(zoo::Point(1.0, 2.0));
        break;
    default:
        made.type = zoo::Thing_Label;
        made.value = new std::string(word(random));
        break;
    }
    return made;
}

Bytes inner(Random &random, int depth)
{
    flatbuffers::FlatBufferBuilder builder;
    zoo::InnerT made;

    made.value = static_cast<int>(below(random, 1000));
    made.text = word(random);
    if (depth > 0)
        made.deeper = inner(random, depth - 1);
    builder.Finish(zoo::Inner::Pack(builder, &made));
    return Bytes(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
}

void put_vectors(Random &random, zoo::RootT &made)
{
    for (uint64_t i = below(random, 4); i > 0; i--) {
        made.items.push_back(item(random, 2));
        made.names.push_back(word(random));
        made.bytes.push_back(static_cast<uint8_t>(random()));
        made.shorts.push_back(static_cast<int16_t>(random()));
        made.numbers.push_back(0.5);
        made.colours.push_back(zoo::Colour_Green);
        made.points.emplace_back(3.0, 4.0);
        made.tags.emplace_back(7, zoo::Colour_Blue);
        made.things.push_back(thing(random));
    }
}

std::unique_ptr<zoo::RootT> root(Random &random, int depth)
{
    auto made = std::make_unique<zoo::RootT>();
    made->name = word(random);
    made->i8 = static_cast<int8_t>(random());
    made->u64 = random();
    made->f32 = 1.0f;
    if (often(random))
        made->location = std::make_unique<zoo::Point>(5.0, 6.0);
    if (often(random))
        made->grid = std::make_unique<zoo::Grid>();
    if (often(random))
        made->item = item(random, 2);
    if (often(random))
        put_vectors(random, *made);
    if (often(random))
        made->held = thing(random);
    if (often(random))
        made->inner = inner(random, 2);
    if (depth > 0 && often(random))
        made->child = root(random, depth - 1);
    made->needed.push_back(1);
    return made;
}

agreement::ChoiceUnion choice(Random &random)
{
    agreement::ChoiceUnion made;
    agreement::LeafT leaf;

    leaf.text = word(random);
    switch (below(random, 3)) {
    case 0:
        made.Set(std::move(leaf));
        break;
    case 1:
        made.Set(agreement::Wide(7));
        break;
    default:
        made.type = agreement::Choice_Text;
        made.value = new std::string(word(random));
        break;
    }
    return made;
}

Bytes packed(const agreement::TreeT &made)
{
    flatbuffers::FlatBufferBuilder builder;

    agreement::FinishTreeBuffer(builder, agreement::Tree::Pack(builder, &made));
    return Bytes(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
}

agreement::TreeT tree(Random &random, int depth);

std::unique_ptr<agreement::BranchT> branch(Random &random, int depth)
{
    auto made = std::make_unique<agreement::BranchT>();

    made->key = word(random);
    made->wide = std::make_unique<agreement::Wide>(5);
    made->choice = choice(random);
    for (uint64_t i = below(random, 4); i > 0; i--)
        made->choices.push_back(choice(random));
    if (depth > 0 && often(random))
        made->whole = packed(tree(random, depth - 1));
    for (uint64_t i = below(random, 3); depth > 0 && i > 0; i--)
        made->branches.push_back(branch(random, depth - 1));
    return made;
}

agreement::TreeT tree(Random &random, int depth)
{
    agreement::TreeT made;

    for (uint64_t i = below(random, 3); i > 0; i--) {
        made.wides.emplace_back(i);
        made.leaves.push_back(std::make_unique<agreement::LeafT>());
        made.texts.push_back(word(random));
    }
    if (often(random))
        made.branch = branch(random, depth);
    return made;
}

std::vector<Bytes> zoo_seeds(Random &random)
{
    std::vector<Bytes> made;

    for (int i = 0; i < 200; i++) {
        flatbuffers::FlatBufferBuilder builder;
        auto message = root(random, i % 4);

        zoo::FinishRootBuffer(builder, zoo::Root::Pack(builder, message.get()));
        made.emplace_back(builder.GetBufferPointer(),
                          builder.GetBufferPointer() + builder.GetSize());
    }
    return made;
}

std::vector<Bytes> tree_seeds(Random &random)
{
    std::vector<Bytes> made;

    for (int i = 0; i < 200; i++)
        made.push_back(packed(tree(random, i % 4)));
    return made;
}

// ---- damage ------------------------------------------------------------------------------------

template <typename T> void put(Bytes &bytes, size_t at, T value)
{
    if (bytes.size() >= sizeof value && at <= bytes.size() - sizeof value)
        memcpy(&bytes[at], &value, sizeof value);
}

template <typename T> T get(const Bytes &bytes, size_t at)
{
    T value = 0;

    if (bytes.size() >= sizeof value && at <= bytes.size() - sizeof value)
        memcpy(&value, &bytes[at], sizeof value);
    return value;
}

// An entry of some vtable is made empty, or another's: fields go, and others appear. Any table that
// is referred to by a field of the root will do.
void damage_vtable(Random &random, Bytes &bytes)
{
    size_t table = get<uint32_t>(bytes, 0);

    for (uint64_t levels = below(random, 4); levels > 0; levels--) {
        size_t vtable = table - static_cast<size_t>(get<int32_t>(bytes, table));
        size_t entries = get<uint16_t>(bytes, vtable) / 2;
        size_t place = entries ? get<uint16_t>(bytes, vtable + 2 * below(random, entries)) : 0;
        size_t next = table + place + get<uint32_t>(bytes, table + place);

        if (place != 0 && next + 4 < bytes.size())
            table = next;
    }
    size_t vtable = table - static_cast<size_t>(get<int32_t>(bytes, table));
    size_t entries = get<uint16_t>(bytes, vtable) / 2;
    if (entries == 0 || vtable + 2 * entries > bytes.size())
        return;
    size_t from = vtable + 2 * below(random, entries), to = vtable + 2 * below(random, entries);
    put(bytes, to, often(random) ? uint16_t{0} : get<uint16_t>(bytes, from));
}

void damage_once(Random &random, Bytes &bytes)
{
    static const uint32_t numbers[] = {
        0,    1,      2,      3,      4,          5,          6,          8,          0x7f,
        0xff, 0xffff, 0x7fff, 0x8000, 0x7ffffffc, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff};
    size_t at = below(random, bytes.size());
    size_t from = below(random, bytes.size());
    uint32_t number = numbers[below(random, sizeof numbers / sizeof numbers[0])];

    switch (below(random, 12)) {
    case 0:
        bytes[at] = static_cast<uint8_t>(bytes[at] ^ (1u << below(random, 8)));
        break;
    case 1:
        bytes[at] = static_cast<uint8_t>(random());
        break;
    case 2:
        put(bytes, at & ~size_t{3}, number);
        break;
    case 3:
        put(bytes, at & ~size_t{1}, static_cast<uint16_t>(number));
        break;
    case 4:
        put(bytes, at & ~size_t{3}, static_cast<uint32_t>(below(random, bytes.size() + 8)));
        break;
    case 5:
        put(bytes, at & ~size_t{1}, static_cast<uint16_t>(below(random, 64)));
        break;
    case 6:
        bytes[at] = static_cast<uint8_t>(bytes[at] + static_cast<int>(below(random, 9)) - 4);
        break;
    case 7:
        memmove(&bytes[at], &bytes[from], std::min<size_t>(4, bytes.size() - std::max(at, from)));
        break;
    case 8:
    case 9:
    case 10:
        damage_vtable(random, bytes);
        break;
    default:
        if (below(random, 4) == 0)
            bytes.resize(4 + below(random, bytes.size()));
        break;
    }
}

// ---- the two verdicts --------------------------------------------------------------------------

enum class Verdict { accepts, refuses };

const char *name_of(Verdict verdict)
{
    return verdict == Verdict::accepts ? "accepts" : "refuses";
}

template <typename Root> Verdict generated(const Bytes &bytes)
{
    flatbuffers::Verifier verifier(bytes.data(), bytes.size());

    return verifier.VerifyBuffer<Root>(nullptr) ? Verdict::accepts : Verdict::refuses;
}

struct Close {
    void operator()(fls_schema *schema) const
    {
        fls_schema_close(schema);
    }
    void operator()(fls_verifier *verifier) const
    {
        fls_verifier_close(verifier);
    }
    void operator()(fls_path *path) const
    {
        fls_path_close(path);
    }
};

using Schema = std::unique_ptr<fls_schema, Close>;
using Verifier = std::unique_ptr<fls_verifier, Close>;
using Path = std::unique_ptr<fls_path, Close>;

// A schema, and what both sides make of it.
struct Side {
    Schema schema;
    Verifier verifier;
    Verifier strict;
    Verdict (*generated)(const Bytes &) = nullptr;
    std::vector<Path> paths;

    void add(const std::string &text)
    {
        fls_path *path = nullptr;

        if (fls_path_compile(schema.get(), nullptr, text.c_str(), &path, nullptr) == FLS_OK)
            paths.emplace_back(path);
    }
};

// ---- the differences ---------------------------------------------------------------------------

struct Class {
    const char *name;
    const char *reason; // part of the reason that ours gives
};

// All that verifier.h lists: ours refuses, Google's accepts. There is none the other way round.
const Class stricter[] = {
    {"vector's elements misaligned", "vector's elements at byte"},
    {"limits counted through nested buffers", "than the limit allows"},
};

const char *class_of(const std::string &reason)
{
    for (const Class &one : stricter)
        if (reason.find(one.reason) != std::string::npos)
            return one.name;
    return nullptr;
}

std::string hex(const Bytes &bytes)
{
    std::string text;
    char pair[3];

    for (uint8_t byte : bytes) {
        snprintf(pair, sizeof pair, "%02x", byte);
        text += pair;
    }
    return text;
}

struct Totals {
    uint64_t accepted = 0;
    uint64_t refused = 0;
    uint64_t strictly_refused = 0;
    uint64_t unexplained = 0;
    std::map<std::string, uint64_t> classes;
};

Verdict ours(const fls_verifier *verifier, const uint8_t *bytes, size_t count, fls_error *error)
{
    return fls_verifier_check(verifier, bytes, count, error) == FLS_OK ? Verdict::accepts
                                                                       : Verdict::refuses;
}

// What both accept is read as far as there are paths; only those to deprecated fields may fail.
bool is_read(const Side &side, const uint8_t *bytes, size_t count)
{
    auto ignore = [](void *, const fls_value *) { return 0; };

    for (const Path &path : side.paths)
        if (fls_path_each(path.get(), bytes, count, ignore, nullptr) != FLS_OK)
            return false;
    return true;
}

void compare(const Side &side, const Bytes &bytes, Totals &totals)
{
    fls_error error = {};
    // Memory of exactly the message's size, so that a sanitizer sees one byte too many.
    std::unique_ptr<uint8_t[]> exact(new uint8_t[bytes.size()]);
    memcpy(exact.get(), bytes.data(), bytes.size());
    Verdict verdict = ours(side.verifier.get(), exact.get(), bytes.size(), &error);
    Verdict strict = ours(side.strict.get(), exact.get(), bytes.size(), nullptr);
    Verdict expected = side.generated(bytes);

    (verdict == Verdict::accepts ? totals.accepted : totals.refused)++;
    totals.strictly_refused += verdict == Verdict::accepts && strict == Verdict::refuses;
    bool well = verdict == Verdict::refuses ? strict == Verdict::refuses
                                            : is_read(side, exact.get(), bytes.size());
    if (well && verdict == expected)
        return;
    const char *name = verdict == Verdict::refuses && well ? class_of(error.reason) : nullptr;
    if (name) {
        totals.classes[name]++;
        return;
    }
    if (totals.unexplained++ < 5)
        printf("UNEXPLAINED: ours %s (%s), strictly %s, %s, generated %s: %s\n", name_of(verdict),
               error.reason, name_of(strict), well ? "read" : "not read", name_of(expected),
               hex(bytes).c_str());
}

Bytes read_file(const char *path)
{
    Bytes bytes;
    FILE *file = fopen(path, "rb");

    for (int c; file && (c = getc(file)) != EOF;)
        bytes.push_back(static_cast<uint8_t>(c));
    if (file)
        fclose(file);
    return bytes;
}

Verifier open_verifier(const fls_schema *schema, int strict)
{
    fls_verifier_options options = {};
    fls_verifier *verifier = nullptr;
    fls_error error = {};

    options.strict = strict;
    if (fls_verifier_open(schema, nullptr, &options, &verifier, &error) != FLS_OK)
        printf("%s\n", error.reason);
    return Verifier(verifier);
}

// Every way on from a field of a table that is read at all, so deep; a field that cannot be named
// by a path (a union's type is one) is left out.
void add_paths(Side &side, const fls_object *object, const std::string &before, int depth)
{
    for (size_t i = 0; object && i < object->field_count; i++) {
        const fls_field &field = object->fields[i];
        std::string name = before + field.name;
        const fls_object *next = field.nested ? field.nested : field.object;

        if (field.deprecated)
            continue;
        side.add(name);
        if (field.type == FLS_TYPE_VECTOR && !field.nested)
            side.add(name += "[]");
        if (next && depth > 0)
            add_paths(side, next, name + ".", depth - 1);
        for (size_t m = 0; depth > 0 && field.enumeration && field.enumeration->is_union &&
                           m < field.enumeration->value_count;
             m++) {
            const fls_enum_value &member = field.enumeration->values[m];

            side.add(name + "." + member.name);
            if (member.object)
                add_paths(side, member.object, name + "." + member.name + ".", 0);
        }
    }
}

Side open_side(const char *path, Verdict (*generated)(const Bytes &))
{
    Side side;
    fls_error error = {};
    fls_schema *schema = nullptr;
    Bytes bfbs = read_file(path);

    if (fls_schema_open(bfbs.data(), bfbs.size(), &schema, &error) != FLS_OK) {
        printf("%s: %s\n", path, error.reason);
        exit(2);
    }
    side.schema.reset(schema);
    side.verifier = open_verifier(schema, 0);
    side.strict = open_verifier(schema, 1);
    side.generated = generated;
    add_paths(side, fls_schema_root(schema), "", 2);
    return side;
}

bool try_all(const Side &side, const std::vector<Bytes> &whole, uint64_t count, Random &random,
             Totals &totals)
{
    fls_error error = {};

    for (const Bytes &bytes : whole) {
        if (ours(side.strict.get(), bytes.data(), bytes.size(), &error) == Verdict::refuses) {
            printf("an undamaged message is refused: %s\n", error.reason);
            return false;
        }
        compare(side, bytes, totals);
    }
    for (uint64_t i = 0; i < count; i++) {
        Bytes bytes = whole[below(random, whole.size())];

        for (uint64_t times = 1 + below(random, 3); times > 0; times--)
            damage_once(random, bytes);
        compare(side, bytes, totals);
    }
    return true;
}

bool report(const char *schema, const Totals &totals)
{
    uint64_t differing = 0;

    for (const auto &entry : totals.classes)
        differing += entry.second;
    printf("%s: %llu accepted, %llu of them refused strictly, %llu refused; %llu disagreements "
           "listed, %llu not\n",
           schema, static_cast<unsigned long long>(totals.accepted),
           static_cast<unsigned long long>(totals.strictly_refused),
           static_cast<unsigned long long>(totals.refused),
           static_cast<unsigned long long>(differing),
           static_cast<unsigned long long>(totals.unexplained));
    for (const auto &entry : totals.classes)
        printf("%9llu  %s\n", static_cast<unsigned long long>(entry.second), entry.first.c_str());
    return totals.unexplained == 0 && totals.accepted > 0 && totals.refused > 0 &&
           totals.strictly_refused > 0;
}

bool agree(const char *path, Verdict (*generated)(const Bytes &),
           std::vector<Bytes> (*seeds)(Random &), uint64_t count, uint64_t seed)
{
    Random random(seed);
    Side side = open_side(path, generated);
    Totals totals;

    return try_all(side, seeds(random), count, random, totals) && report(path, totals);
}

} // namespace

int main(int argc, char **argv)
{
    const char *wish = argc > 3 ? argv[3] : getenv("FLS_AGREEMENT_MESSAGES");
    uint64_t count = wish ? strtoull(wish, nullptr, 10) : 1000000;
    uint64_t seed = argc > 4 ? strtoull(argv[4], nullptr, 10) : 1;

    if (argc < 3)
        return 2;
    bool zoo = agree(argv[1], generated<zoo::Root>, zoo_seeds, count / 2, seed);
    bool tree = agree(argv[2], generated<agreement::Tree>, tree_seeds, count / 2, seed);
    return zoo && tree ? 0 : 1;
}
