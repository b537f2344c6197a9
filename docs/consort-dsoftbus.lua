-- SPDX-License-Identifier: GPL-2.0-or-later
-- Wireshark's view of DSoftBus (docs/softbus.md) and of radio packets in Consort's own words (docs/capture.md).
-- Use: tshark -X lua_script:docs/consort-dsoftbus.lua -r frames.pcapng, or copy it to Wireshark's plugin folder.

local MAGIC = 0xBABEFACE
local DISCOVERY_PORT = 5684
local PACKET_HEAD, DATA_HEAD, IV, TAG = 24, 16, 12, 16

local modules = {
    [1] = "TRUST_ENGINE", [2] = "HICHAIN", [3] = "AUTH_SDK", [4] = "HICHAIN_SYNC", [5] = "CONNECTION",
    [6] = "SESSION", [8] = "AUTH_CHANNEL", [9] = "AUTH_MSG", [11] = "CONNECTION (standard)", [13] = "PROXY",
    [14] = "DEVICE_AUTH", [15] = "P2P_LINK", [17] = "UDP_INFO", [19] = "TIME_SYNC", [21] = "META_AUTH",
}
local plain = { [1] = true, [2] = true, [3] = true, [4] = true, [8] = true, [9] = true }
local flags = {
    [0] = "bytes", [1] = "acknowledgement", [2] = "message", [3] = "file, first", [4] = "file, ongoing",
    [5] = "file, last", [6] = "file, only", [7] = "file, all sent", [8] = "asynchronous message",
}
local replies = { [0] = "request", [1] = "reply" }
local tlvs = { [0] = "seq", [1] = "data seq", [2] = "flag", [3] = "need ack", [4] = "data length" }

local softbus = Proto("dsoftbus", "DSoftBus")
local f = {
    magic = ProtoField.uint32("dsoftbus.magic", "Magic", base.HEX),
    module = ProtoField.uint32("dsoftbus.module", "Module", base.DEC, modules),
    seq = ProtoField.uint64("dsoftbus.seq", "Sequence number"),
    reply = ProtoField.uint32("dsoftbus.reply", "Flag", base.DEC, replies),
    flag = ProtoField.uint32("dsoftbus.flag", "Content", base.DEC, flags),
    length = ProtoField.uint32("dsoftbus.length", "Length"),
    body = ProtoField.string("dsoftbus.body", "Body"),
    index = ProtoField.uint32("dsoftbus.key_index", "Key index"),
    iv = ProtoField.bytes("dsoftbus.iv", "IV"),
    cipher = ProtoField.bytes("dsoftbus.ciphertext", "Ciphertext"),
    tag = ProtoField.bytes("dsoftbus.tag", "Tag"),
    count = ProtoField.uint8("dsoftbus.tlv.count", "Values"),
    tlv = ProtoField.uint8("dsoftbus.tlv.type", "Value", base.DEC, tlvs),
    value = ProtoField.uint32("dsoftbus.tlv.value", "is"),
    coap_type = ProtoField.uint8("dsoftbus.discovery.type", "Type", base.DEC,
        { [0] = "CON", [1] = "NON", [2] = "ACK", [3] = "RST" }, 0x30),
    coap_code = ProtoField.uint8("dsoftbus.discovery.code", "Code", base.HEX, { [0] = "empty", [2] = "POST" }),
    coap_id = ProtoField.uint16("dsoftbus.discovery.id", "Message ID", base.HEX),
    host = ProtoField.string("dsoftbus.discovery.host", "Uri-Host"),
    path = ProtoField.string("dsoftbus.discovery.path", "Uri-Path"),
    json = ProtoField.string("dsoftbus.discovery.json", "Payload"),
}
softbus.fields = f
local bad = ProtoExpert.new("dsoftbus.malformed", "DSoftBus: malformed", expert.group.MALFORMED, expert.severity.ERROR)
softbus.experts = { bad }

local json = Dissector.get("json")

-- A number that a JSON text gives a name.
local function field(text, name)
    return text:match('"' .. name .. '"%s*:%s*"?([^",}]*)')
end

-- key index | IV | ciphertext | tag, or without the key index
local function encrypted(tvb, tree, with_index)
    local at = 0
    if with_index then
        if tvb:len() < 4 then return end
        tree:add_le(f.index, tvb(0, 4))
        at = 4
    end
    local middle = tvb:len() - at - IV - TAG
    if middle < 0 then
        tree:add_proto_expert_info(bad, "shorter than IV and tag")
        return
    end
    tree:add(f.iv, tvb(at, IV))
    if middle > 0 then tree:add(f.cipher, tvb(at + IV, middle)) end
    tree:add(f.tag, tvb(at + IV + middle, TAG))
end

local function packet(tvb, info, tree)
    local module, length = tvb(4, 4):le_uint(), tvb(20, 4):le_uint()
    local name = modules[module] or ("module " .. module)
    local reply = replies[tvb(16, 4):le_uint()] or "?"
    tree:append_text(", " .. name .. " " .. reply)
    tree:add_le(f.magic, tvb(0, 4))
    tree:add_le(f.module, tvb(4, 4))
    tree:add_le(f.seq, tvb(8, 8))
    tree:add_le(f.reply, tvb(16, 4))
    tree:add_le(f.length, tvb(20, 4))
    local what = name .. " " .. reply
    if length > 0 then
        local body = tvb(PACKET_HEAD, length)
        if plain[module] then
            local text = body:string()
            tree:add(f.body, body, text)
            what = what .. " " .. (field(text, "TECmd") or "")
            json:call(body:tvb(), info, tree)
        else
            encrypted(body, tree, true)
        end
    end
    return what
end

local function data(tvb, tree)
    local content = flags[tvb(8, 4):le_uint()] or "unknown content"
    tree:append_text(", " .. content)
    tree:add_le(f.magic, tvb(0, 4))
    tree:add_le(f.seq, tvb(4, 4))
    tree:add_le(f.flag, tvb(8, 4))
    tree:add_le(f.length, tvb(12, 4))
    encrypted(tvb(DATA_HEAD), tree, false)
    return string.format("%s %d, %d bytes", content, tvb(4, 4):le_int(), math.max(tvb:len() - DATA_HEAD - IV - TAG, 0))
end

-- A TLV head: count, then type, length, value. Where it ends, and the length of what follows.
local function tlv_head(tvb)
    local at, rest = 5, 0
    for _ = 1, tvb(4, 1):uint() do
        if tvb:len() < at + 2 then return nil end
        local length = tvb(at + 1, 1):uint()
        if tvb:len() < at + 2 + length then return nil end
        if tvb(at, 1):uint() == 4 and length == 4 then rest = tvb(at + 2, 4):le_uint() end
        at = at + 2 + length
    end
    return at, rest
end

local function tlv(tvb, tree)
    tree:append_text(", TLV head")
    tree:add_le(f.magic, tvb(0, 4))
    tree:add(f.count, tvb(4, 1))
    local at = 5
    for _ = 1, tvb(4, 1):uint() do
        local length = tvb(at + 1, 1):uint()
        local item = tree:add(f.tlv, tvb(at, 1))
        if length == 1 or length == 2 or length == 4 then item:add_le(f.value, tvb(at + 2, length)) end
        at = at + 2 + length
    end
    encrypted(tvb(at), tree, false)
    return "data with a TLV head"
end

-- Which of the three heads begins here. The high word of a packet's sequence number is 0; a frame's length never is.
local function kind(tvb)
    local first = tvb(5, 1):uint()
    if tvb(4, 1):uint() <= 8 and first <= 4 and tvb(6, 1):uint() == 4 then return "tlv" end
    return tvb(12, 4):le_uint() == 0 and "packet" or "data"
end

-- The length of what begins here; nothing when more must come to know it.
local function whole_length(tvb)
    if tvb:len() < DATA_HEAD then return nil end
    if tvb(0, 4):le_uint() ~= MAGIC then return tvb:len() end
    local what = kind(tvb)
    if what == "tlv" then
        local head, body = tlv_head(tvb)
        return head and head + body
    elseif what == "data" then
        return DATA_HEAD + math.min(tvb(12, 4):le_uint(), 0xFFFFFF)
    end
    return tvb:len() >= PACKET_HEAD and PACKET_HEAD + math.min(tvb(20, 4):le_uint(), 0xFFFFFF) or nil
end

local function one(tvb, info, tree)
    local own = tree:add(softbus, tvb())
    local what
    if tvb:len() < DATA_HEAD or tvb(0, 4):le_uint() ~= MAGIC then
        own:add_proto_expert_info(bad, "no magic")
        what = "malformed"
    else
        local head = kind(tvb)
        if head == "tlv" then what = tlv(tvb, own)
        elseif head == "data" then what = data(tvb, own)
        elseif tvb:len() >= PACKET_HEAD then what = packet(tvb, info, own)
        else what = "malformed" end
    end
    info.cols.protocol = "DSoftBus"
    info.cols.info = what
    return tvb:len()
end

local function coap(tvb, info, tree)
    local own = tree:add(softbus, tvb())
    info.cols.protocol = "DSoftBus"
    if tvb:len() < 4 then
        own:add_proto_expert_info(bad, "no CoAP header")
        return
    end
    own:add(f.coap_type, tvb(0, 1))
    own:add(f.coap_code, tvb(1, 1))
    own:add(f.coap_id, tvb(2, 2))
    local at, option, path, host = 4 + bit.band(tvb(0, 1):uint(), 0xF), 0, {}, ""
    while at < tvb:len() and tvb(at, 1):uint() ~= 0xFF do
        local delta, length = bit.rshift(tvb(at, 1):uint(), 4), bit.band(tvb(at, 1):uint(), 0xF)
        at = at + 1
        local values = { delta, length }
        for i = 1, 2 do -- RFC 7252, section 3.1
            if values[i] == 13 and at < tvb:len() then
                values[i] = tvb(at, 1):uint() + 13
                at = at + 1
            elseif values[i] >= 13 then
                own:add_proto_expert_info(bad, "an impossible option")
                return
            end
        end
        option = option + values[1]
        if at + values[2] > tvb:len() then
            own:add_proto_expert_info(bad, "an option without end")
            return
        end
        local value = values[2] > 0 and tvb(at, values[2]) or nil
        if value and option == 3 then
            host = value:string()
            own:add(f.host, value)
        elseif value and option == 11 then
            path[#path + 1] = value:string()
            own:add(f.path, value)
        end
        at = at + values[2]
    end
    local what = table.concat(path, "/")
    if at + 1 < tvb:len() then
        local length = tvb:len() - at - 1
        if tvb(tvb:len() - 1, 1):uint() == 0 then length = length - 1 end -- JSON ends with a NUL
        local payload = tvb(at + 1, length)
        local text = payload:string()
        own:add(f.json, payload, text)
        local name, mode = field(text, "devicename"), field(text, "mode")
        what = what .. (text:find('"coapUri"') and ", who is there? from " or ", here is ") .. (name or "?")
        if mode then what = what .. ", mode " .. mode end
        json:call(payload:tvb(), info, own)
        info.cols.protocol = "DSoftBus"
    elseif tvb(1, 1):uint() == 0 then
        what = "acknowledgement"
    end
    info.cols.info = what
end

-- Takes a stream apart; what is not whole yet waits for the next segment.
local function stream(tvb, info, tree)
    local at = 0
    while at < tvb:len() do
        local length = whole_length(tvb(at):tvb())
        if not length or at + length > tvb:len() then
            info.desegment_offset = at
            info.desegment_len = length and at + length - tvb:len() or DESEGMENT_ONE_MORE_SEGMENT
            break
        end
        one(tvb(at, length):tvb(), info, tree)
        at = at + length
    end
    return tvb:len()
end

function softbus.dissector(tvb, info, tree)
    if info.port_type == 3 then return coap(tvb, info, tree) end
    return stream(tvb, info, tree)
end

-- Ports of connections are the system's choice: the magic tells.
local function heuristic(tvb, info, tree)
    if tvb:len() < 4 or tvb(0, 4):le_uint() ~= MAGIC then return false end
    info.conversation = softbus
    stream(tvb, info, tree)
    return true
end

DissectorTable.get("udp.port"):add(DISCOVERY_PORT, softbus)
softbus:register_heuristic("tcp", heuristic)

-- Radio packets that are neither Bluetooth LE nor IEEE 802.15.4.
local air = Proto("consort_air", "Radio packet")
local modulations = {
    [0] = "GFSK 250 kbit/s", [1] = "GFSK 1 Mbit/s", [2] = "GFSK 2 Mbit/s", [3] = "coded 125 kbit/s",
    [4] = "coded 500 kbit/s", [5] = "O-QPSK 250 kbit/s",
}
local a = {
    mhz = ProtoField.uint16("consort_air.mhz", "Frequency (MHz)"),
    modulation = ProtoField.uint8("consort_air.modulation", "Modulation", base.DEC, modulations),
    bits = ProtoField.uint8("consort_air.address_bits", "Bits of the address"),
    address = ProtoField.uint64("consort_air.address", "Address", base.HEX),
    power = ProtoField.int32("consort_air.power", "Power (mdBm)"),
    count = ProtoField.uint32("consort_air.bit_count", "Bits behind the address"),
    data = ProtoField.bytes("consort_air.data", "On the air"),
}
air.fields = a

function air.dissector(tvb, info, tree)
    if tvb:len() < 20 then return 0 end
    local own = tree:add(air, tvb())
    own:add_le(a.mhz, tvb(0, 2))
    own:add_le(a.modulation, tvb(2, 1))
    own:add(a.bits, tvb(3, 1))
    own:add_le(a.address, tvb(4, 8))
    own:add_le(a.power, tvb(12, 4))
    own:add_le(a.count, tvb(16, 4))
    if tvb:len() > 20 then own:add(a.data, tvb(20)) end
    info.cols.protocol = "Radio"
    info.cols.info = string.format("%d MHz, address %s, %d bits", tvb(0, 2):le_uint(), tvb(4, 8):le_uint64():tohex(),
        tvb(16, 4):le_uint())
    return tvb:len()
end

DissectorTable.get("wtap_encap"):add(wtap.USER0, air)
